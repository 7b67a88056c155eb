"""Reading google.rpc details out of a grpc error."""

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


def failure(call, *args, **kwargs):
    """Calls and returns (code name, ErrorInfo reason, violated fields, has RetryInfo)."""
    try:
        call(*args, **kwargs)
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)
        reason, fields, retry = "", [], False
        for detail in status.details if status else []:
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo()
                detail.Unpack(info)
                assert info.domain == "consent.v1"
                reason = info.reason
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                bad = error_details_pb2.BadRequest()
                detail.Unpack(bad)
                fields = [f.field for f in bad.field_violations]
            elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                retry = True
        return error.code().name, reason, fields, retry
    raise AssertionError("the call succeeded")
