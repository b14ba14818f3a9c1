-- Charges one call to all its limits, or to none of them if one refuses.
--
-- KEYS     of the rates, then of the places, then of the budgets
-- ARGV[1]  numbers, packed as doubles: how many rates and how many places there are, how long a lease holds, what a
--          caller without a place is told to wait; then of each rate: interval, burst, reserved; of each place: most,
--          reserved; of each budget: most, charge, window, reserved. Times are microseconds.
-- ARGV[2]  the format of ARGV[1]
-- ARGV[3]  the lease of this call
-- ARGV[4]  and on: of each place the leases that are given back, with blanks between them
--
-- Answers  {number of the refusing limit or 0, microseconds to wait, what is left of each limit before this call}
--
-- Kept of a rate is when it is whole again; of a budget, the end of its window and what was used; of places, a sorted
-- set of leases by their end.
local call, unpacked = redis.call, struct.unpack
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]
local number = {unpacked(ARGV[2], ARGV[1])}
local rates, places, hold, place_wait = number[1], number[1] + number[2], number[3], number[4]
local kept = #KEYS > 0 and call('MGET', unpack(KEYS)) or {} -- of a sorted set: nothing
local refused, longest, at = 0, 0, 5
local left, after, ends_of = {}, {}, {}

for i = 1, rates do
  local interval, burst, reserved = number[at], number[at + 1], number[at + 2]
  at = at + 3
  local spent = now + burst * interval
  local due = kept[i] and unpacked('<d', kept[i]) or now
  -- never further ahead than a spent allowance: a clock that was set back, or a limit since raised, must heal
  if due > spent then due = spent elseif due < now then due = now end
  local wait = due - (burst - reserved - 1) * interval - now
  if wait > longest then refused, longest = i, wait end
  left[i], after[i] = math.floor((spent - due) / interval), due + interval
end

for i = rates + 1, places do
  local most, open = number[at], number[at] - number[at + 1]
  at = at + 2
  local returned = ARGV[i - rates + 3]
  if returned and returned ~= '' then
    local leases = {}
    for lease in string.gmatch(returned, '%S+') do leases[#leases + 1] = lease end
    call('ZREM', KEYS[i], unpack(leases))
  end
  local held = call('ZCARD', KEYS[i])
  if held >= open then
    call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now) -- of processes that died
    held = call('ZCARD', KEYS[i])
    if held >= open and place_wait > longest then refused, longest = i, place_wait end
  end
  left[i] = math.max(most - held, 0)
end

for i = places + 1, #KEYS do
  local most, charge, window, reserved = number[at], number[at + 1], number[at + 2], number[at + 3]
  at = at + 4
  local ends, used = now + window, 0
  if kept[i] then
    local kept_ends, kept_used = unpacked('<dd', kept[i])
    if kept_ends > now then ends, used = math.min(kept_ends, ends), kept_used end
  end
  if charge > 0 and used + charge > most - reserved and ends - now > longest then refused, longest = i, ends - now end
  left[i], after[i], ends_of[i] = math.max(most - used, 0), charge > 0 and used + charge, ends
end

if refused > 0 then return {refused, longest, unpack(left)} end

for i = 1, rates do
  call('SET', KEYS[i], struct.pack('<d', after[i]), 'PX', math.ceil((after[i] - now) / 1000))
end
for i = rates + 1, places do
  call('ZADD', KEYS[i], now + hold, ARGV[3])
  call('PEXPIRE', KEYS[i], 600000) -- longer than any lease
end
for i = places + 1, #KEYS do
  if after[i] then
    local life = math.ceil((ends_of[i] - now) / 1000)
    call('SET', KEYS[i], struct.pack('<dd', ends_of[i], after[i]), 'PX', life)
  end
end
return {0, 0, unpack(left)}
