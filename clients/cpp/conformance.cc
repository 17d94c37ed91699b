// Plays the conformance scenario: conformance TARGET SCENARIO PICTURE RUN GUARDED TOKEN
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "grpc_health/v1/health.grpc.pb.h"
#include "myeye/v1/blob_service.grpc.pb.h"
#include "myeye/v1/detection_service.grpc.pb.h"
#include "status.h"

namespace v1 = myeye::v1;
namespace health = grpc::health::v1;
using google::protobuf::Value;
using Strings = std::vector<std::string>;
using Clock = std::chrono::system_clock;

namespace {

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void Must(const grpc::Status& status) {
  if (status.ok()) return;
  std::cerr << status.error_code() << ": " << status.error_message() << std::endl;
  std::exit(1);
}

// ---- what is printed: JSON is a message here

Value Json(Value value) { return value; }
Value Json(const std::string& text) {
  Value value;
  value.set_string_value(text);
  return value;
}
Value Json(const char* text) { return Json(std::string(text)); }
Value Json(bool is) {
  Value value;
  value.set_bool_value(is);
  return value;
}
template <typename Number, typename = std::enable_if_t<std::is_arithmetic_v<Number> && !std::is_same_v<Number, bool>>>
Value Json(Number number) {
  Value value;
  value.set_number_value(static_cast<double>(number));
  return value;
}
template <typename T>
Value Json(const std::vector<T>& all) {
  Value value;
  value.mutable_list_value();
  for (const T& each : all) *value.mutable_list_value()->add_values() = Json(each);
  return value;
}
template <typename... T>
Value List(const T&... all) {
  return Json(std::vector<Value>{Json(all)...});
}

using Line = std::map<std::string, Value>;

Value Json(const Line& line) {
  Value value;
  for (const auto& [key, each] : line) (*value.mutable_struct_value()->mutable_fields())[key] = each;
  return value;
}

void Tell(const Line& line, const Line& more = {}) {
  google::protobuf::Struct all;
  for (const auto& [key, value] : line) (*all.mutable_fields())[key] = value;
  for (const auto& [key, value] : more) (*all.mutable_fields())[key] = value;
  std::string text;
  (void)google::protobuf::util::MessageToJsonString(all, &text);
  std::cout << text << std::endl;
}

std::string CodeName(const grpc::Status& status) {
  static const std::map<int, std::string> names = {
      {grpc::OK, "OK"}, {grpc::ALREADY_EXISTS, "ALREADY_EXISTS"}, {grpc::FAILED_PRECONDITION, "FAILED_PRECONDITION"},
      {grpc::INVALID_ARGUMENT, "INVALID_ARGUMENT"}, {grpc::NOT_FOUND, "NOT_FOUND"},
      {grpc::RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED"}, {grpc::UNAUTHENTICATED, "UNAUTHENTICATED"}};
  const auto found = names.find(status.error_code());
  return found == names.end() ? std::to_string(status.error_code()) : found->second;
}

Line Told(const grpc::Status& status) { return {{"code", Json(CodeName(status))}, {"reason", Json(ReasonOf(status))}}; }

std::string Metadata(const grpc::Status& status, const std::string& key) {
  return DetailOf<google::rpc::ErrorInfo>(status).metadata().at(key);
}

std::string KindOf(const google::protobuf::Message& message, const char* oneof) {
  const auto* which = message.GetDescriptor()->FindOneofByName(oneof);
  return message.GetReflection()->GetOneofFieldDescriptor(message, which)->name();
}

template <typename All, typename Function>
auto Each(const All& all, Function function) {
  std::vector<decltype(function(*all.begin()))> made;
  for (const auto& each : all) made.push_back(function(each));
  return made;
}

Value Sequences(const std::vector<v1::Event>& events) {
  return Json(Each(events, [](const auto& event) { return event.sequence(); }));
}

Value Kinds(const std::vector<v1::Event>& events) {
  return Json(Each(events, [](const auto& event) { return KindOf(event, "kind"); }));
}

// ---- the steps

class Scenario {
 public:
  Scenario(const std::string& target, const std::string& scenario, std::string picture, std::string run)
      : picture_(std::move(picture)), run_(std::move(run)) {
    auto channel = grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
    detection_ = v1::DetectionService::NewStub(channel);
    blobs_ = v1::BlobService::NewStub(channel);
    health_ = health::Health::NewStub(channel);
    if (!google::protobuf::util::JsonStringToMessage(scenario, &scenario_).ok()) std::exit(1);
  }

  void Play() {
    Capabilities();
    Health();
    const auto finished = SubmitTwice();
    WatchToTheEnd(finished);
    Resume();
    Batch();
    Cancel(finished);
    BadRequest();
    QueueFull();
    const auto uploaded = UploadAndSubmit();
    Download(finished, uploaded);
    Deadline();
    ListByLabel();
    Delete(uploaded);
  }

 private:
  using Detection = v1::DetectionService::Stub;

  // Makes a unary call, as Call(&Detection::Get, request, &response).
  template <typename Method, typename Request, typename Response>
  grpc::Status Call(Method method, const Request& request, Response* response, std::chrono::milliseconds limit = std::chrono::minutes(1)) {
    grpc::ClientContext context;
    context.set_deadline(Clock::now() + limit);
    return (detection_.get()->*method)(&context, request, response);
  }

  int Number(const std::string& key) const { return static_cast<int>(scenario_.fields().at(key).number_value()); }

  v1::SubmitRequest Request(const std::string& key, const std::string& step = "") const {
    std::string text;
    v1::SubmitRequest request;
    if (!google::protobuf::util::MessageToJsonString(scenario_.fields().at(key), &text).ok() ||
        !google::protobuf::util::JsonStringToMessage(text, &request).ok()) {
      std::exit(1);
    }
    for (auto& input : *request.mutable_inputs()) {
      if (input.name() == "photo.jpg") input.set_content(picture_);
    }
    (*request.mutable_labels())["run"] = run_;
    if (!step.empty()) (*request.mutable_labels())["step"] = step;
    return request;
  }

  v1::SubmitResponse Submit(const v1::SubmitRequest& request) {
    v1::SubmitResponse response;
    Must(Call(&Detection::Submit, request, &response));
    return response;
  }

  grpc::Status Refused(const v1::SubmitRequest& request) {
    v1::SubmitResponse response;
    return Call(&Detection::Submit, request, &response);
  }

  std::string WaitingJob(const std::string& step) { return Submit(Request("waiting", step)).job().id(); }

  v1::Job Waited(const std::string& job_id) {
    v1::WaitRequest request;
    request.set_job_id(job_id);
    v1::WaitResponse response;
    Must(Call(&Detection::Wait, request, &response));
    return response.job();
  }

  grpc::Status Get(const std::string& job_id, v1::Job* job) {
    v1::GetRequest request;
    request.set_job_id(job_id);
    v1::GetResponse response;
    auto status = Call(&Detection::Get, request, &response);
    *job = response.job();
    return status;
  }

  grpc::Status CancelJob(const std::string& job_id, v1::Job* job) {
    v1::CancelRequest request;
    request.set_job_id(job_id);
    request.set_reason("conformance");
    v1::CancelResponse response;
    auto status = Call(&Detection::Cancel, request, &response);
    *job = response.job();
    return status;
  }

  // Hands the messages of one stream to `handle`, and gives the status that it ended with. A negative `after` is none.
  grpc::Status Watch(const std::string& job_id, int64_t after, const std::function<void(const v1::WatchResponse&)>& handle) {
    v1::WatchRequest request;
    request.set_job_id(job_id);
    if (after >= 0) request.set_after_sequence(after);
    grpc::ClientContext context;
    auto stream = detection_->Watch(&context, request);
    v1::WatchResponse update;
    while (stream->Read(&update)) handle(update);
    return stream->Finish();
  }

  void Capabilities() {
    v1::GetCapabilitiesResponse known;
    Must(Call(&Detection::GetCapabilities, v1::GetCapabilitiesRequest(), &known));
    std::sort(known.mutable_models()->begin(), known.mutable_models()->end(), [](const auto& a, const auto& b) { return a.name() < b.name(); });
    const auto& types = known.media_types();
    Tell({{"step", Json("capabilities")},
          {"models", Json(Each(known.models(), [](const auto& model) { return List(model.name(), model.is_default(), model.live_workers() > 0); }))},
          {"max_items_per_job", Json(known.limits().max_items_per_job())},
          {"max_wait_s", Json(known.limits().max_wait().seconds())},
          {"looks_at_jpeg", Json(std::find(types.begin(), types.end(), "image/jpeg") != types.end())}});
  }

  std::string Check(const std::string& service) {
    health::HealthCheckRequest request;
    request.set_service(service);
    health::HealthCheckResponse response;
    grpc::ClientContext context;
    const auto status = health_->Check(&context, request, &response);
    return status.ok() ? health::HealthCheckResponse::ServingStatus_Name(response.status()) : CodeName(status);
  }

  void Health() {
    Tell({{"step", Json("health")},
          {"server", Json(Check(""))},
          {"service", Json(Check("myeye.v1.DetectionService"))},
          {"unknown", Json(Check("nosuch"))}});
  }

  std::string SubmitTwice() {
    auto request = Request("submit");
    request.set_request_id(run_ + "-submit");
    const auto first = Submit(request), second = Submit(request);
    const auto& job = first.job();
    Tell({{"step", Json("submit")},
          {"replayed", List(first.replayed(), second.replayed())},
          {"same_job", Json(job.id() == second.job().id())},
          {"priority", Json(v1::Priority_Name(job.priority()))},
          {"label", Json(job.labels().at("step"))},
          {"threshold", Json(job.options().score_threshold())},
          {"denylist", Json(Strings(job.options().category_denylist().begin(), job.options().category_denylist().end()))}});
    auto other = Request("other");
    other.set_request_id(request.request_id());
    const auto reused = Refused(other);
    Tell({{"step", Json("reused")}, {"same_job", Json(Metadata(reused, "job_id") == job.id())}}, Told(reused));
    return job.id();
  }

  void WatchToTheEnd(const std::string& job_id) {
    std::vector<v1::Event> events;
    v1::DetectionResult result;
    Must(Watch(job_id, 0, [&](const auto& update) {
      if (!update.has_event()) return;
      events.push_back(update.event());
      if (update.event().has_item_finished()) result = update.event().item_finished().item().result();
    }));
    const auto inside = std::all_of(result.detections().begin(), result.detections().end(), [&](const auto& found) {
      const auto& box = found.bounding_box();
      return box.x_px() >= 0 && box.y_px() >= 0 && box.x_px() + box.width_px() <= result.width_px() &&
             box.y_px() + box.height_px() <= result.height_px();
    });
    Tell({{"step", Json("watch")},
          {"sequences", Sequences(events)},
          {"kinds", Kinds(events)},
          {"state", Json(v1::State_Name(events.back().job_finished().state()))},
          {"size", List(result.width_px(), result.height_px())},
          {"found", Json(Each(result.detections(), [](const auto& found) { return found.category(); }))},
          {"boxes_inside", Json(inside)},
          {"annotated", Json(result.annotated())}});
    Strings messages;
    Must(Watch(job_id, -1, [&](const auto& update) { messages.push_back(KindOf(update, "message")); }));
    Tell({{"step", Json("snapshot")}, {"messages", Json(messages)}});
  }

  void Resume() {
    const auto job_id = WaitingJob("resume");
    std::vector<v1::Event> before, after;
    const auto broken = Watch(job_id, 0, [&](const auto& update) {
      if (!update.has_event()) return;
      before.push_back(update.event());
      Tell({{"ask", Json("cut")}});
    });
    for (auto whole = false; !whole;) {
      const auto status = Watch(job_id, (after.empty() ? before : after).back().sequence(), [&](const auto& update) {
        v1::Job job;
        if (update.has_event()) {
          after.push_back(update.event());
        } else {
          Must(CancelJob(job_id, &job));
        }
      });
      whole = status.ok();
      if (!whole && !IsTransient(status)) Must(status);
      if (!whole) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    const auto& finished = after.back().job_finished();
    Tell({{"step", Json("resume")},
          {"cut", Json(IsTransient(broken))},
          {"before", Sequences(before)},
          {"after", Sequences(after)},
          {"kinds", Kinds(after)},
          {"state", Json(v1::State_Name(finished.state()))},
          {"reason", Json(ReasonOf(finished.error()))}});
  }

  void Batch() {
    const auto job = Waited(Submit(Request("batch")).job().id());
    const auto& progress = job.progress();
    Tell({{"step", Json("batch")},
          {"state", Json(v1::State_Name(job.state()))},
          {"items", Json(Each(job.items(), [](const auto& item) { return List(item.name(), v1::State_Name(item.state()), ReasonOf(item.error())); }))},
          {"progress", List(progress.items_done(), progress.items_failed(), progress.items_total())}});
  }

  void Cancel(const std::string& finished) {
    const auto job_id = WaitingJob("cancel");
    Strings states;
    v1::Job job;
    for (auto times = 0; times < 2; ++times) {
      Must(CancelJob(job_id, &job));
      states.push_back(v1::State_Name(job.state()));
    }
    const auto refused = CancelJob(finished, &job);
    Tell({{"step", Json("cancel")}, {"states", Json(states)}, {"ended", Json(Metadata(refused, "state"))}}, Told(refused));
  }

  void BadRequest() {
    const auto refused = Refused(Request("wrong"));
    auto fields = Each(DetailOf<google::rpc::BadRequest>(refused).field_violations(), [](const auto& violation) { return violation.field(); });
    std::sort(fields.begin(), fields.end());
    Tell({{"step", Json("bad_request")},
          {"domain", Json(DetailOf<google::rpc::ErrorInfo>(refused).domain())},
          {"fields", Json(fields)},
          {"count", Json(Metadata(refused, "violations"))}},
         Told(refused));
  }

  void QueueFull() {
    auto request = Request("full");
    while (request.inputs_size() < Number("full_items")) *request.add_inputs() = v1::Input(request.inputs(0));
    const auto refused = Refused(request);
    const auto quota = DetailOf<google::rpc::QuotaFailure>(refused);
    const auto delay = DetailOf<google::rpc::RetryInfo>(refused).retry_delay();
    Tell({{"step", Json("queue_full")},
          {"subjects", Json(Each(quota.violations(), [](const auto& violation) { return violation.subject(); }))},
          {"retry_later", Json(delay.seconds() > 0 || delay.nanos() > 0)}},
         Told(refused));
  }

  v1::Upload UploadPart(size_t begin, size_t end) {
    grpc::ClientContext context;
    v1::UploadResponse response;
    auto stream = blobs_->Upload(&context, &response);
    v1::UploadRequest first;
    first.mutable_target()->set_upload_id(run_ + "-upload-of-a-photo");
    first.mutable_target()->set_size_bytes(picture_.size());
    first.mutable_target()->set_offset(begin);
    stream->Write(first);
    const size_t piece = Number("upload_piece_bytes");
    for (auto at = begin; at < end; at += piece) {
      v1::UploadRequest next;
      next.set_data(picture_.substr(at, std::min(piece, end - at)));
      stream->Write(next);
    }
    stream->WritesDone();
    Must(stream->Finish());
    return response.upload();
  }

  std::string UploadAndSubmit() {
    const auto first = UploadPart(0, Number("upload_cut_bytes"));
    const auto second = UploadPart(first.received_bytes(), picture_.size());
    auto request = Request("uploaded");
    auto* input = request.add_inputs();
    input->set_name("photo.jpg");
    input->set_blob(second.id());
    const auto job = Waited(Submit(request).job().id());
    Tell({{"step", Json("upload")},
          {"received", List(first.received_bytes(), second.received_bytes())},
          {"complete", List(first.complete(), second.complete())},
          {"state", Json(v1::State_Name(job.state()))}});
    return job.id();
  }

  template <typename Reader, typename Part>
  static grpc::Status Whole(Reader reader, Part part, std::string* all) {
    while (reader->Read(&part)) all->append(part.body().data());
    return reader->Finish();
  }

  grpc::Status Annotated(const std::string& job_id, std::string* all) {
    grpc::ClientContext context;
    v1::DownloadAnnotatedRequest request;
    request.set_job_id(job_id);
    return Whole(blobs_->DownloadAnnotated(&context, request), v1::DownloadAnnotatedResponse(), all);
  }

  void Download(const std::string& drawn, const std::string& uploaded) {
    std::string input, jpeg, nothing;
    grpc::ClientContext context;
    v1::DownloadInputRequest request;
    request.set_job_id(uploaded);
    Must(Whole(blobs_->DownloadInput(&context, request), v1::DownloadInputResponse(), &input));
    Must(Annotated(drawn, &jpeg));
    Tell({{"step", Json("download")},
          {"same", Json(input == picture_)},
          {"annotated_is_jpeg", Json(jpeg.rfind("\xff\xd8\xff", 0) == 0)},
          {"missing", Json(Told(Annotated(uploaded, &nothing)))}});
  }

  void Deadline() {
    v1::WaitRequest request;
    request.set_job_id(WaitingJob("deadline"));
    v1::WaitResponse response;
    const auto status = Call(&Detection::Wait, request, &response, std::chrono::milliseconds(Number("deadline_ms")));
    v1::Job job;
    Must(Get(request.job_id(), &job));
    Tell({{"step", Json("deadline")},
          {"exceeded", Json(status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)},
          {"state", Json(v1::State_Name(job.state()))}});
    Must(CancelJob(request.job_id(), &job));
  }

  void ListByLabel() {
    v1::ListRequest request;
    request.add_labels("run=" + run_);
    request.set_page_size(Number("page_size"));
    std::vector<int> pages;
    Strings steps;
    do {
      v1::ListResponse page;
      Must(Call(&Detection::List, request, &page));
      pages.push_back(page.jobs_size());
      for (const auto& job : page.jobs()) steps.push_back(job.labels().at("step"));
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    Tell({{"step", Json("list")}, {"pages", Json(pages)}, {"steps", Json(steps)}});
  }

  void Delete(const std::string& job_id) {
    v1::DeleteRequest request;
    request.set_job_id(job_id);
    v1::DeleteResponse response;
    Must(Call(&Detection::Delete, request, &response));
    v1::Job job;
    Tell({{"step", Json("delete")}}, Told(Get(job_id, &job)));
  }

  std::unique_ptr<v1::DetectionService::Stub> detection_;
  std::unique_ptr<v1::BlobService::Stub> blobs_;
  std::unique_ptr<health::Health::Stub> health_;
  google::protobuf::Struct scenario_;
  std::string picture_;
  std::string run_;
};

// Calls where a token is asked for.
void ShowToken(const std::string& guarded, const std::string& token) {
  auto client = v1::DetectionService::NewStub(grpc::CreateChannel(guarded, grpc::InsecureChannelCredentials()));
  const auto ask = [&](const std::string& shown) {
    grpc::ClientContext context;
    if (!shown.empty()) context.AddMetadata("authorization", "Bearer " + shown);
    v1::GetCapabilitiesResponse response;
    return client->GetCapabilities(&context, v1::GetCapabilitiesRequest(), &response);
  };
  Tell({{"step", Json("token")},
        {"without", Json(Told(ask("")))},
        {"wrong", Json(Told(ask("nobody")))},
        {"right", Json(ask(token).ok())}});
}

}  // namespace

int main(int, char** argv) {
  Scenario(argv[1], Read(argv[2]), Read(argv[3]), argv[4]).Play();
  ShowToken(argv[5], argv[6]);
  return 0;
}
