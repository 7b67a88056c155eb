"""Calls the echo service with whichever grpcio runs it and prints what came, one fact a line.

Usage: grpcio_client.py HOST:PORT NAME=HEX...   (requests as encoded messages)
Messages stay bytes, so no generated code and no protobuf is needed.
"""

import sys

import grpc

SERVICE = "/wire.echo.v1.EchoService/"
SENT = (("x-echo-raw-bin", b"\x00\xff\x10"),)


def value(pairs, name):
    return dict(pairs or ())[name].hex()


def code(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code().value[0]
    return 0


def main():
    requests = {name: bytes.fromhex(text) for name, text in (a.split("=") for a in sys.argv[2:])}
    channel = grpc.insecure_channel(sys.argv[1])
    unary = channel.unary_unary(SERVICE + "Unary")
    stream = channel.unary_stream(SERVICE + "ServerStream")
    collect = channel.stream_unary(SERVICE + "ClientStream")
    bidi = channel.stream_stream(SERVICE + "Bidi")

    print("unary", unary(requests["unary"]).hex())
    print("large", len(unary(requests["large"])))
    print("gzip", unary(requests["long"], compression=grpc.Compression.Gzip).hex())
    print("stream", ",".join(m.hex() for m in stream(requests["stream"])))
    print("collect", collect(iter([requests["unary"]] * 3)).hex())

    def turns():
        yield requests["unary"]
        yield requests["stream"]

    print("bidi", ",".join(m.hex() for m in bidi(turns())))
    _, call = unary.with_call(requests["metadata"], metadata=SENT)
    print("metadata", value(call.initial_metadata(), SENT[0][0]), value(call.trailing_metadata(), SENT[0][0]))
    try:
        unary(requests["error"])
    except grpc.RpcError as error:
        details = value(error.trailing_metadata(), "grpc-status-details-bin")
        print("error", error.code().value[0], error.details().encode().hex(), details)
    print("deadline", code(lambda: unary(requests["slow"], timeout=0.2)))
    pending = unary.future(requests["slow"])
    pending.cancel()
    print("cancel", pending.code().value[0])
    left = stream(requests["endless"])
    next(left)
    left.cancel()
    print("leave", code(lambda: [m for m in left]))
    print("unimplemented", code(lambda: channel.unary_unary("/no.Such/Method")(b"")))


main()
