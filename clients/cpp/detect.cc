// Hands in a picture, tells what happens to it while it happens, and what was found: detect localhost:50051 photo.jpg
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "myeye/v1/detection_service.grpc.pb.h"
#include "status.h"

using namespace std::chrono_literals;
namespace v1 = myeye::v1;

namespace {

std::mt19937_64 random_numbers{std::random_device{}()};

// Calls `handle` for each event of a job, once. A stream that ends before the job does is resumed after the last event.
grpc::Status Watch(v1::DetectionService::Stub& client, const std::string& job_id, const std::function<void(const v1::Event&)>& handle) {
  v1::WatchRequest request;
  request.set_job_id(job_id);
  request.set_after_sequence(0);
  for (auto pause = 250ms;; pause = std::min(2 * pause, 5000ms)) {
    grpc::ClientContext context;
    auto stream = client.Watch(&context, request);
    v1::WatchResponse update;
    while (stream->Read(&update)) {
      if (!update.has_event()) continue;
      request.set_after_sequence(update.event().sequence());
      handle(update.event());
      if (update.event().has_job_finished()) return stream->Finish();
    }
    if (const auto status = stream->Finish(); !status.ok() && !IsTransient(status)) return status;
    std::this_thread::sleep_for(pause * std::uniform_real_distribution<>(0, 1)(random_numbers));
  }
}

void Tell(const v1::Event& event) {
  if (event.has_item_started()) std::cout << "#" << event.sequence() << " " << event.item_started().worker() << " looks at it\n";
  if (event.has_job_finished()) std::cout << "#" << event.sequence() << " " << v1::State_Name(event.job_finished().state()) << "\n";
  if (!event.has_item_finished()) return;
  const auto& item = event.item_finished().item();
  for (const auto& found : item.result().detections()) {
    std::cout << item.name() << ": " << found.category() << " " << found.score() << " at " << found.bounding_box().ShortDebugString() << "\n";
  }
  if (item.has_error()) std::cout << item.name() << ": " << item.error().message() << "\n";
}

}  // namespace

int main(int, char** argv) {
  const std::string target = argv[1], path = argv[2];
  auto client = v1::DetectionService::NewStub(grpc::CreateChannel(target, grpc::InsecureChannelCredentials()));
  v1::SubmitRequest request;
  request.set_request_id(std::to_string(random_numbers()));  // safe to repeat
  request.mutable_options()->set_score_threshold(0.4f);
  auto* input = request.add_inputs();
  input->set_name(std::filesystem::path(path).filename());
  std::ifstream file(path, std::ios::binary);
  input->set_content(std::string(std::istreambuf_iterator<char>(file), {}));

  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 30s);
  v1::SubmitResponse response;
  auto status = client->Submit(&context, request, &response);
  if (status.ok()) status = Watch(*client, response.job().id(), Tell);
  if (!status.ok()) std::cerr << ReasonOf(status) << ": " << status.error_message() << "\n";
  return status.ok() ? 0 : 1;
}
