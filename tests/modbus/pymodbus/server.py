"""pymodbus' server, for our driver to read: unit 5 with values of several types.

server.py tcp | rtu-tcp | udp | serial PATH
Prints "listening on PORT" (or PATH) and serves until it is killed.
"""
import asyncio
import sys

from pymodbus.datastore import (
    ModbusSequentialDataBlock,
    ModbusServerContext,
    ModbusSlaveContext,
    ModbusSparseDataBlock,
)
from pymodbus.server.async_io import ModbusSerialServer, ModbusTcpServer, ModbusUdpServer
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer

HOLDING = {
    10: 0x422A, 11: 0,  # 42.5F
    12: 0, 13: 0x422A,  # the same, low word first
    20: 0xFFFB,  # -5
    30: 0xB2D0, 31: 0x5E00,  # 3,000,000,000
    40: 0xBFC0, 41: 0, 42: 0, 43: 0,  # -0.125
    50: 0, 51: 0, 60: 0,  # written by the test
}


def context():
    unit = ModbusSlaveContext(
        hr=ModbusSparseDataBlock(HOLDING),
        ir=ModbusSequentialDataBlock(0, list(range(200))),
        co=ModbusSequentialDataBlock(0, [False] * 20),
        di=ModbusSequentialDataBlock(0, [i == 9 for i in range(20)]),
        zero_mode=True,
    )
    return ModbusServerContext(slaves={5: unit}, single=False)


async def main():
    kind = sys.argv[1]
    if kind == "serial":
        server = ModbusSerialServer(
            context(), framer=ModbusRtuFramer, port=sys.argv[2], baudrate=115200
        )
        await server.start()
        print("listening on", sys.argv[2], flush=True)
        await server.serve_forever()
        return
    address = ("127.0.0.1", 0)
    if kind == "udp":
        server = ModbusUdpServer(context(), framer=ModbusSocketFramer, address=address)
    else:
        framer = ModbusSocketFramer if kind == "tcp" else ModbusRtuFramer
        server = ModbusTcpServer(context(), framer=framer, address=address)
    serving = asyncio.create_task(server.serve_forever())
    await server.serving
    socket = server.protocol if kind == "udp" else server.server.sockets[0]
    name = socket.get_extra_info("sockname") if kind == "udp" else socket.getsockname()
    print("listening on", name[1], flush=True)
    await serving


asyncio.run(main())
