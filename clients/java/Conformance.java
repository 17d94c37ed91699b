import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.ByteString;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.QuotaFailure;
import com.google.rpc.RetryInfo;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import myeye.v1.*;

/** Plays the conformance scenario: {@code Conformance TARGET SCENARIO PICTURE RUN GUARDED TOKEN}. */
public final class Conformance {
  private final DetectionServiceGrpc.DetectionServiceBlockingStub detection;
  private final BlobServiceGrpc.BlobServiceBlockingStub blobs;
  private final BlobServiceGrpc.BlobServiceStub uploads;
  private final HealthGrpc.HealthBlockingStub health;
  private final JsonObject scenario;
  private final ByteString picture;
  private final String run;

  private Conformance(ManagedChannel channel, String scenario, byte[] picture, String run) {
    detection = DetectionServiceGrpc.newBlockingStub(channel);
    blobs = BlobServiceGrpc.newBlockingStub(channel);
    uploads = BlobServiceGrpc.newStub(channel);
    health = HealthGrpc.newBlockingStub(channel);
    this.scenario = JsonParser.parseString(scenario).getAsJsonObject();
    this.picture = ByteString.copyFrom(picture);
    this.run = run;
  }

  public static void main(String[] args) throws Exception {
    var channel = ManagedChannelBuilder.forTarget(args[0]).usePlaintext().build();
    var played =
        new Conformance(channel, Files.readString(Path.of(args[1])), Files.readAllBytes(Path.of(args[2])), args[3]);
    played.capabilities();
    played.health();
    var finished = played.submitTwice();
    played.watchToTheEnd(finished);
    played.resume();
    played.batch();
    played.cancel(finished);
    played.badRequest();
    played.queueFull();
    var uploaded = played.upload();
    played.download(finished, uploaded);
    played.deadline();
    played.list();
    played.delete(uploaded);
    channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    showToken(args[4], args[5]);
  }

  /** Calls where a token is asked for. */
  private static void showToken(String guarded, String token) throws InterruptedException {
    var channel = ManagedChannelBuilder.forTarget(guarded).usePlaintext().build();
    var client = DetectionServiceGrpc.newBlockingStub(channel);
    var nothing = GetCapabilitiesRequest.getDefaultInstance();
    tell("step", "token", "without", told(refusal(() -> client.getCapabilities(nothing))),
        "wrong", told(refusal(() -> showing(client, "nobody").getCapabilities(nothing))),
        "right", showing(client, token).getCapabilities(nothing).hasLimits());
    channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
  }

  private static DetectionServiceGrpc.DetectionServiceBlockingStub showing(
      DetectionServiceGrpc.DetectionServiceBlockingStub client, String token) {
    var headers = new Metadata();
    headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
    return client.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  // ---- what is printed

  /** Prints a line of keys and values, in turn. */
  private static void tell(Object... pairs) {
    tell(Map.of(), pairs);
  }

  private static void tell(Map<String, ?> more, Object... pairs) {
    var line = new LinkedHashMap<String, Object>();
    for (var at = 0; at < pairs.length; at += 2) line.put((String) pairs[at], pairs[at + 1]);
    line.putAll(more);
    System.out.println(new Gson().toJson(line));
  }

  private static Map<String, String> told(StatusRuntimeException error) {
    return Map.of("code", error.getStatus().getCode().name(), "reason", info(error).getReason());
  }

  private static StatusRuntimeException refusal(Runnable call) {
    try {
      call.run();
    } catch (StatusRuntimeException error) {
      return error;
    }
    throw new IllegalStateException("was not refused");
  }

  /** Gives the first detail of a type, or its default. */
  private static <T extends Message> T detail(com.google.rpc.Status status, Class<T> type, T without) {
    for (var any : status.getDetailsList()) {
      if (!any.is(type)) continue;
      try {
        return any.unpack(type);
      } catch (com.google.protobuf.InvalidProtocolBufferException error) {
        throw new IllegalStateException(error);
      }
    }
    return without;
  }

  private static <T extends Message> T detail(StatusRuntimeException error, Class<T> type, T without) {
    return detail(StatusProto.fromThrowable(error), type, without);
  }

  private static ErrorInfo info(StatusRuntimeException error) {
    return detail(error, ErrorInfo.class, ErrorInfo.getDefaultInstance());
  }

  private static String reason(com.google.rpc.Status status) {
    return detail(status, ErrorInfo.class, ErrorInfo.getDefaultInstance()).getReason();
  }

  private static <A, B> List<B> each(List<A> all, Function<A, B> function) {
    return all.stream().map(function).toList();
  }

  // ---- what is called

  private DetectionServiceGrpc.DetectionServiceBlockingStub calls() {
    return detection.withDeadlineAfter(60, TimeUnit.SECONDS);
  }

  private SubmitRequest.Builder request(String key) {
    var made = SubmitRequest.newBuilder();
    try {
      JsonFormat.parser().merge(scenario.get(key).toString(), made);
    } catch (com.google.protobuf.InvalidProtocolBufferException error) {
      throw new IllegalStateException(error);
    }
    for (var input : made.getInputsBuilderList()) {
      if (input.getName().equals("photo.jpg")) input.setContent(picture);
    }
    return made.putLabels("run", run);
  }

  private SubmitResponse submit(SubmitRequest.Builder made) {
    return calls().submit(made.build());
  }

  private String waitingJob(String step) {
    return submit(request("waiting").putLabels("step", step)).getJob().getId();
  }

  private Job waited(String jobId) {
    return calls().wait(WaitRequest.newBuilder().setJobId(jobId).build()).getJob();
  }

  private Job get(String jobId) {
    return calls().get(GetRequest.newBuilder().setJobId(jobId).build()).getJob();
  }

  private Job cancelled(String jobId) {
    return calls().cancel(CancelRequest.newBuilder().setJobId(jobId).setReason("conformance").build()).getJob();
  }

  /** Hands the messages of one stream to {@code handle}. */
  private void watch(String jobId, Long after, Consumer<WatchResponse> handle) {
    var request = WatchRequest.newBuilder().setJobId(jobId);
    if (after != null) request.setAfterSequence(after);
    detection.watch(request.build()).forEachRemaining(handle);
  }

  private static String kind(Event event) {
    return event.getKindCase().name().toLowerCase();
  }

  // ---- the steps

  private void capabilities() {
    var known = calls().getCapabilities(GetCapabilitiesRequest.getDefaultInstance());
    var models =
        known.getModelsList().stream()
            .sorted(Comparator.comparing(ModelCapabilities::getName))
            .map(model -> List.of(model.getName(), model.getIsDefault(), model.getLiveWorkers() > 0))
            .toList();
    tell("step", "capabilities", "models", models, "max_items_per_job", known.getLimits().getMaxItemsPerJob(),
        "max_wait_s", known.getLimits().getMaxWait().getSeconds(),
        "looks_at_jpeg", known.getMediaTypesList().contains("image/jpeg"));
  }

  private String check(String service) {
    try {
      return health.check(HealthCheckRequest.newBuilder().setService(service).build()).getStatus().name();
    } catch (StatusRuntimeException error) {
      return error.getStatus().getCode().name();
    }
  }

  private void health() {
    tell("step", "health", "server", check(""), "service", check("myeye.v1.DetectionService"), "unknown", check("nosuch"));
  }

  private String submitTwice() {
    var made = request("submit").setRequestId(run + "-submit");
    var first = submit(made);
    var second = submit(made);
    var job = first.getJob();
    tell("step", "submit", "replayed", List.of(first.getReplayed(), second.getReplayed()),
        "same_job", job.getId().equals(second.getJob().getId()), "priority", job.getPriority().name(),
        "label", job.getLabelsOrThrow("step"), "threshold", job.getOptions().getScoreThreshold(),
        "denylist", job.getOptions().getCategoryDenylistList());
    var reused = refusal(() -> submit(request("other").setRequestId(made.getRequestId())));
    tell(told(reused), "step", "reused", "same_job", job.getId().equals(info(reused).getMetadataOrDefault("job_id", "")));
    return job.getId();
  }

  private void watchToTheEnd(String jobId) {
    var events = new ArrayList<Event>();
    watch(jobId, 0L, update -> {
      if (update.hasEvent()) events.add(update.getEvent());
    });
    var result = events.stream().filter(Event::hasItemFinished).findFirst().orElseThrow().getItemFinished().getItem().getResult();
    var inside = result.getDetectionsList().stream().map(Detection::getBoundingBox).allMatch(
        box -> box.getXPx() >= 0 && box.getYPx() >= 0 && box.getXPx() + box.getWidthPx() <= result.getWidthPx()
            && box.getYPx() + box.getHeightPx() <= result.getHeightPx());
    tell("step", "watch", "sequences", each(events, Event::getSequence), "kinds", each(events, Conformance::kind),
        "state", events.get(events.size() - 1).getJobFinished().getState().name(),
        "size", List.of(result.getWidthPx(), result.getHeightPx()),
        "found", each(result.getDetectionsList(), Detection::getCategory), "boxes_inside", inside,
        "annotated", result.getAnnotated());
    var messages = new ArrayList<String>();
    watch(jobId, null, update -> messages.add(update.getMessageCase().name().toLowerCase()));
    tell("step", "snapshot", "messages", messages);
  }

  private void resume() throws InterruptedException {
    var jobId = waitingJob("resume");
    var before = new ArrayList<Event>();
    var broken = refusal(() -> watch(jobId, 0L, update -> {
      if (!update.hasEvent()) return;
      before.add(update.getEvent());
      tell("ask", "cut");
    }));
    var after = new ArrayList<Event>();
    for (var whole = false; !whole; ) {
      var last = after.isEmpty() ? before.get(before.size() - 1) : after.get(after.size() - 1);
      try {
        watch(jobId, last.getSequence(), update -> {
          if (update.hasEvent()) after.add(update.getEvent());
          else cancelled(jobId);
        });
        whole = true;
      } catch (StatusRuntimeException error) {
        if (!transientError(error)) throw error;
        Thread.sleep(50);
      }
    }
    var finished = after.get(after.size() - 1).getJobFinished();
    tell("step", "resume", "cut", transientError(broken), "before", each(before, Event::getSequence),
        "after", each(after, Event::getSequence), "kinds", each(after, Conformance::kind),
        "state", finished.getState().name(), "reason", reason(finished.getError()));
  }

  private static boolean transientError(StatusRuntimeException error) {
    var code = error.getStatus().getCode();
    return code == Status.Code.UNAVAILABLE || code == Status.Code.INTERNAL;
  }

  private void batch() {
    var job = waited(submit(request("batch")).getJob().getId());
    var progress = job.getProgress();
    tell("step", "batch", "state", job.getState().name(),
        "items", each(job.getItemsList(), item -> List.of(item.getName(), item.getState().name(), reason(item.getError()))),
        "progress", List.of(progress.getItemsDone(), progress.getItemsFailed(), progress.getItemsTotal()));
  }

  private void cancel(String finished) {
    var jobId = waitingJob("cancel");
    var states = List.of(cancelled(jobId).getState().name(), cancelled(jobId).getState().name());
    var refused = refusal(() -> cancelled(finished));
    tell(told(refused), "step", "cancel", "states", states, "ended", info(refused).getMetadataOrDefault("state", ""));
  }

  private void badRequest() {
    var refused = refusal(() -> submit(request("wrong")));
    var violations = detail(refused, BadRequest.class, BadRequest.getDefaultInstance()).getFieldViolationsList();
    tell(told(refused), "step", "bad_request", "domain", info(refused).getDomain(),
        "fields", violations.stream().map(BadRequest.FieldViolation::getField).sorted().toList(),
        "count", info(refused).getMetadataOrDefault("violations", ""));
  }

  private void queueFull() {
    var made = request("full");
    made.addAllInputs(Collections.nCopies(scenario.get("full_items").getAsInt() - 1, made.getInputs(0)));
    var refused = refusal(() -> submit(made));
    var quota = detail(refused, QuotaFailure.class, QuotaFailure.getDefaultInstance());
    var delay = detail(refused, RetryInfo.class, RetryInfo.getDefaultInstance()).getRetryDelay();
    tell(told(refused), "step", "queue_full",
        "subjects", each(quota.getViolationsList(), QuotaFailure.Violation::getSubject),
        "retry_later", delay.getSeconds() > 0 || delay.getNanos() > 0);
  }

  private Upload uploadPart(long begin, int end) {
    var answer = new CompletableFuture<Upload>();
    var requests = uploads.withDeadlineAfter(60, TimeUnit.SECONDS).upload(new StreamObserver<UploadResponse>() {
      @Override public void onNext(UploadResponse response) {
        answer.complete(response.getUpload());
      }

      @Override public void onError(Throwable error) {
        answer.completeExceptionally(error);
      }

      @Override public void onCompleted() {}
    });
    var target = UploadTarget.newBuilder().setUploadId(run + "-upload-of-a-photo").setSizeBytes(picture.size()).setOffset(begin);
    requests.onNext(UploadRequest.newBuilder().setTarget(target).build());
    var piece = scenario.get("upload_piece_bytes").getAsInt();
    for (var at = (int) begin; at < end; at += piece) {
      requests.onNext(UploadRequest.newBuilder().setData(picture.substring(at, Math.min(at + piece, end))).build());
    }
    requests.onCompleted();
    return answer.join();
  }

  private String upload() {
    var first = uploadPart(0, scenario.get("upload_cut_bytes").getAsInt());
    var second = uploadPart(first.getReceivedBytes(), picture.size());
    var made = request("uploaded").addInputs(Input.newBuilder().setName("photo.jpg").setBlob(second.getId()));
    var job = waited(submit(made).getJob().getId());
    tell("step", "upload", "received", List.of(first.getReceivedBytes(), second.getReceivedBytes()),
        "complete", List.of(first.getComplete(), second.getComplete()), "state", job.getState().name());
    return job.getId();
  }

  private static ByteString whole(Stream<ByteString> pieces) {
    return pieces.reduce(ByteString.EMPTY, ByteString::concat);
  }

  private static <T> Stream<T> streamed(Iterator<T> iterator) {
    var all = new ArrayList<T>();
    iterator.forEachRemaining(all::add);
    return all.stream();
  }

  private ByteString annotated(String jobId) {
    var request = DownloadAnnotatedRequest.newBuilder().setJobId(jobId).build();
    return whole(streamed(blobs.downloadAnnotated(request)).map(part -> part.getBody().getData()));
  }

  private void download(String drawn, String uploaded) {
    var request = DownloadInputRequest.newBuilder().setJobId(uploaded).build();
    var input = whole(streamed(blobs.downloadInput(request)).map(part -> part.getBody().getData()));
    var jpeg = annotated(drawn).startsWith(ByteString.copyFrom(new byte[] {(byte) 0xff, (byte) 0xd8, (byte) 0xff}));
    tell("step", "download", "same", input.equals(picture), "annotated_is_jpeg", jpeg,
        "missing", told(refusal(() -> annotated(uploaded))));
  }

  private void deadline() {
    var jobId = waitingJob("deadline");
    var limited = detection.withDeadlineAfter(scenario.get("deadline_ms").getAsLong(), TimeUnit.MILLISECONDS);
    var ended = refusal(() -> limited.wait(WaitRequest.newBuilder().setJobId(jobId).build()));
    tell("step", "deadline", "exceeded", ended.getStatus().getCode() == Status.Code.DEADLINE_EXCEEDED,
        "state", get(jobId).getState().name());
    cancelled(jobId);
  }

  private void list() {
    var request = ListRequest.newBuilder().addLabels("run=" + run).setPageSize(scenario.get("page_size").getAsInt());
    var pages = new ArrayList<Integer>();
    var steps = new ArrayList<String>();
    do {
      var page = calls().list(request.build());
      pages.add(page.getJobsCount());
      page.getJobsList().forEach(job -> steps.add(job.getLabelsOrThrow("step")));
      request.setPageToken(page.getNextPageToken());
    } while (!request.getPageToken().isEmpty());
    tell("step", "list", "pages", pages, "steps", steps);
  }

  private void delete(String jobId) {
    calls().delete(DeleteRequest.newBuilder().setJobId(jobId).build());
    tell(told(refusal(() -> get(jobId))), "step", "delete");
  }
}
