"""A gRPC server for the tests: `grpc_server.py sync|aio [reflection] [tls]` says its port, ends with stdin.

shop.Users/Get answers a user, or NOT_FOUND for the id 0; Never answers nothing; Watch is a stream.
With tls, `key.pem` and `cert.pem` are in the working directory.
`grpc_server.py describe` writes the descriptor set that protoc would make of `proto/` to stdout.
"""

import asyncio
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection

Field = descriptor_pb2.FieldDescriptorProto
NOT_FOUND = grpc.StatusCode.NOT_FOUND


def message(file, name, fields):
    """Adds a message; a field is (number, type), or (number, the name of a message that it repeats)."""
    added = file.message_type.add(name=name)
    for field_name, (number, kind) in fields.items():
        field = added.field.add(name=field_name, number=number)
        if isinstance(kind, str):
            field.type, field.label, field.type_name = Field.TYPE_MESSAGE, Field.LABEL_REPEATED, kind
        else:
            field.type = kind


def describe():
    """The descriptors that protoc would make of `proto/`."""
    files = descriptor_pb2.FileDescriptorSet()
    address = files.file.add(name="shop/address.proto", package="shop", syntax="proto3")
    message(address, "Address", {"city": (1, Field.TYPE_STRING)})
    users = files.file.add(
        name="shop/users.proto", package="shop", syntax="proto3", dependency=[address.name]
    )
    message(users, "Query", {"id": (1, Field.TYPE_INT64)})
    fields = {"id": (1, Field.TYPE_INT64), "name": (2, Field.TYPE_STRING), "addresses": (3, ".shop.Address")}
    message(users, "User", fields)
    service = users.service.add(name="Users")
    for name in ("Get", "Never", "Watch"):
        service.method.add(
            name=name, input_type=".shop.Query", output_type=".shop.User", server_streaming=name == "Watch"
        )
    return files


def main(kind, options):
    pool = descriptor_pool.DescriptorPool()
    for file in describe().file:
        pool.Add(file)
    query, user = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shop.{name}"))
        for name in ("Query", "User")
    )

    def found(request):
        return user(id=request.id, name=f"user {request.id}", addresses=[{"city": "Oslo"}])

    def get(request, context):
        if request.id == 0:
            context.abort(NOT_FOUND, "no such user")
        return found(request)

    def never(_request, context):
        ended = threading.Event()
        if context.add_callback(ended.set):
            ended.wait()
        return user()

    async def get_aio(request, context):
        if request.id == 0:
            await context.abort(NOT_FOUND, "no such user")
        return found(request)

    async def never_aio(_request, _context):
        await asyncio.Event().wait()

    def serve(server, get, never):
        coding = {"request_deserializer": query.FromString, "response_serializer": user.SerializeToString}
        methods = {
            "Get": grpc.unary_unary_rpc_method_handler(get, **coding),
            "Never": grpc.unary_unary_rpc_method_handler(never, **coding),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Users", methods),))
        if "reflection" in options:
            reflection.enable_server_reflection(("shop.Users", reflection.SERVICE_NAME), server, pool=pool)
        if "tls" in options:
            pair = (Path("key.pem").read_bytes(), Path("cert.pem").read_bytes())
            return server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        return server.add_insecure_port("127.0.0.1:0")

    async def serve_aio():
        server = grpc.aio.server()
        port = serve(server, get_aio, never_aio)
        await server.start()
        print(port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await server.stop(None)

    if kind == "aio":
        asyncio.run(serve_aio())
    else:
        server = grpc.server(futures.ThreadPoolExecutor(8))
        port = serve(server, get, never)
        server.start()
        print(port, flush=True)
        sys.stdin.read()
        server.stop(None)


if sys.argv[1] == "describe":
    sys.stdout.buffer.write(describe().SerializeToString())
else:
    main(sys.argv[1], sys.argv[2:])
