from tests.asking.server import server
from tests.drill.__main__ import main

main(server)
