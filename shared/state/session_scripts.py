"""What is done to a session as a whole or not at all, in one round trip each.

The client may ask for each twice, see `RedisCalls`. After the end of a session its key is gone, so every script looks
for that first, and nothing brings any of it back.
"""

from shared.state.redis_calls import Script

OPEN = Script("""
-- KEYS: the session, its owner's sessions by age, what was ended for it.
-- ARGV: record, handle, opened, oldest that may live, seconds to live, seconds at most, most, 1 to replace,
--       what keys of sessions and of their subscriptions begin with. Answers {1, ended…}, or nothing.
if redis.call('EXISTS', KEYS[1]) == 1 then  -- the client asks again after a lost connection
  return {1, unpack(redis.call('LRANGE', KEYS[3], 0, -1))}
end
local live = {}
local function forget(handle)
  redis.call('DEL', ARGV[9] .. handle, ARGV[10] .. handle)
  redis.call('ZREM', KEYS[2], handle)
end
for _, handle in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[4])) do forget(handle) end
for _, handle in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  if redis.call('EXISTS', ARGV[9] .. handle) == 1 then table.insert(live, handle) else forget(handle) end
end
local over = #live - ARGV[7] + 1
if over > 0 and ARGV[8] ~= '1' then return false end
local answer = {1}
for i = 1, over do
  forget(live[i])
  table.insert(answer, live[i])
  redis.call('RPUSH', KEYS[3], live[i])
  redis.call('EXPIRE', KEYS[3], 60)
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[6])
return answer
""")

END = Script("""
-- KEYS: the session, its subscriptions, who ended it. ARGV: token. Answers 1 if it was there.
redis.call('DEL', KEYS[2])
if redis.call('DEL', KEYS[1]) == 0 then return redis.call('GET', KEYS[3]) == ARGV[1] and 1 or 0 end
redis.call('SET', KEYS[3], ARGV[1], 'EX', 60)
return 1
""")

SUBSCRIBE = Script("""
-- KEYS: the session, its subscriptions. ARGV: the resource, most, seconds to keep. Answers 1 if it is subscribed.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return 1 end
if redis.call('SCARD', KEYS[2]) >= tonumber(ARGV[2]) then return 0 end
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
""")

SUBSCRIBED = Script("""
-- KEYS: the session, its subscriptions. ARGV: resources. Answers 1 or 0 for each, or nothing.
return redis.call('EXISTS', KEYS[1]) == 1 and redis.call('SMISMEMBER', KEYS[2], unpack(ARGV))
""")

ASK = Script("""
-- KEYS: the session, the question. ARGV: who waits, milliseconds to wait.
if redis.call('EXISTS', KEYS[1]) == 0 then return end
redis.call('HSET', KEYS[2], 'replica', ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
""")

REPLY = Script("""
-- KEYS: the session, the question. ARGV: token, answer, milliseconds to keep it. Answers who waits, or nothing.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local replica, by = unpack(redis.call('HMGET', KEYS[2], 'replica', 'by'))
if not replica or (by and by ~= ARGV[1]) then return false end
redis.call('HSET', KEYS[2], 'by', ARGV[1], 'answer', ARGV[2])
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
return replica
""")

REPLIED = Script("""
-- KEYS: the session, the question. ARGV: token. Answers the answer, to the first who takes it.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local answer, taker = unpack(redis.call('HMGET', KEYS[2], 'answer', 'taker'))
if not answer or (taker and taker ~= ARGV[1]) then return false end
redis.call('HSET', KEYS[2], 'taker', ARGV[1])
redis.call('PEXPIRE', KEYS[2], 10000)
return answer
""")
