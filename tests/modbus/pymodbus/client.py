"""pymodbus' client against modbus-sim: every function, values of several types, exceptions.

client.py tcp PORT | udp PORT | rtu-tcp PORT | serial PATH
Prints "ok", or what was different, and exits 1.
"""
import sys

from pymodbus.client import ModbusSerialClient, ModbusTcpClient, ModbusUdpClient
from pymodbus.constants import Endian
from pymodbus.payload import BinaryPayloadBuilder, BinaryPayloadDecoder
from pymodbus.pdu import ExceptionResponse
from pymodbus.transaction import ModbusRtuFramer

UNIT = 7


def connect(kind, where):
    if kind == "serial":
        return ModbusSerialClient(where, baudrate=115200, timeout=3)
    if kind == "udp":
        return ModbusUdpClient("127.0.0.1", port=int(where), timeout=3)
    if kind == "rtu-tcp":
        return ModbusTcpClient("127.0.0.1", port=int(where), framer=ModbusRtuFramer, timeout=3)
    return ModbusTcpClient("127.0.0.1", port=int(where), timeout=3)


def expect(what, got, wanted):
    if got != wanted:
        print(f"{what}: got {got!r}, wanted {wanted!r}")
        sys.exit(1)


def decoder(response):
    expect("an answer", response.isError(), False)
    return BinaryPayloadDecoder.fromRegisters(
        response.registers, byteorder=Endian.Big, wordorder=Endian.Big
    )


def expect_exception(what, response, code):
    expect(what, isinstance(response, ExceptionResponse), True)
    expect(what, response.exception_code, code)


def read_values(client):
    values = decoder(client.read_holding_registers(100, 9, slave=UNIT))
    expect("float", values.decode_32bit_float(), 42.5)
    expect("uint32", values.decode_32bit_uint(), 3000000000)
    expect("int16", values.decode_16bit_int(), -5)
    expect("double", values.decode_64bit_float(), -0.125)
    # The words of 111 are swapped, by isRegisterSwap.
    swapped = client.read_holding_registers(111, 2, slave=UNIT)
    expect("swapped words", swapped.registers, [0, 0x4248])
    expect("input", client.read_input_registers(0, 2, slave=UNIT).registers, [215, 1])
    expect("coils", client.read_coils(0, 3, slave=UNIT).bits[:3], [True, False, True])
    expect("inputs", client.read_discrete_inputs(9, 1, slave=UNIT).bits[0], True)


def write_values(client):
    builder = BinaryPayloadBuilder(byteorder=Endian.Big, wordorder=Endian.Big)
    builder.add_32bit_float(-61.25)
    client.write_registers(100, builder.to_registers(), slave=UNIT)
    values = decoder(client.read_holding_registers(100, 2, slave=UNIT))
    expect("written float", values.decode_32bit_float(), -61.25)
    client.write_register(104, 0xFFFE, slave=UNIT)
    values = decoder(client.read_holding_registers(104, 1, slave=UNIT))
    expect("written int16", values.decode_16bit_int(), -2)
    client.write_coil(1, True, slave=UNIT)
    client.write_coils(0, [False, True, True], slave=UNIT)
    expect("coils", client.read_coils(0, 3, slave=UNIT).bits[:3], [False, True, True])
    answer = client.mask_write_register(104, 0xFF00, 0x0012, unit=UNIT)
    expect("a mask write's answer", answer.isError(), False)
    expect("masked", client.read_holding_registers(104, 1, slave=UNIT).registers, [0xFF12])


def exceptions(client):
    expect_exception("no such register", client.read_holding_registers(50, 1, slave=UNIT), 2)
    expect_exception("half there", client.read_holding_registers(109, 2, slave=UNIT), 2)
    expect_exception("read only", client.write_register(111, 1, slave=UNIT), 2)
    expect_exception("a fault's", client.read_holding_registers(120, 1, slave=UNIT), 6)


def main():
    client = connect(sys.argv[1], sys.argv[2])
    expect("a connection", client.connect(), True)
    read_values(client)
    write_values(client)
    exceptions(client)
    client.close()
    print("ok")


main()
