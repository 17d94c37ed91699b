// The details that every error of myeye carries, out of a grpc::Status or a google.rpc.Status.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

// Gives the first detail of a type; without one, an empty one.
template <typename Detail>
Detail DetailOf(const google::rpc::Status& status) {
  Detail detail;
  for (const auto& any : status.details()) {
    if (any.Is<Detail>() && any.UnpackTo(&detail)) break;
  }
  return detail;
}

template <typename Detail>
Detail DetailOf(const grpc::Status& status) {
  google::rpc::Status told;
  told.ParseFromString(status.error_details());
  return DetailOf<Detail>(told);
}

// Gives the service's own word for what went wrong, as "IMAGE_INVALID".
template <typename Status>
std::string ReasonOf(const Status& status) {
  return DetailOf<google::rpc::ErrorInfo>(status).reason();
}

// Says whether the same call may work a little later.
inline bool IsTransient(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE || status.error_code() == grpc::StatusCode::INTERNAL;
}
