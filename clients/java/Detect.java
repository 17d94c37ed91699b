import com.google.protobuf.ByteString;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import myeye.v1.DetectionOptions;
import myeye.v1.DetectionServiceGrpc;
import myeye.v1.DetectionServiceGrpc.DetectionServiceBlockingStub;
import myeye.v1.Event;
import myeye.v1.Input;
import myeye.v1.Item;
import myeye.v1.SubmitRequest;
import myeye.v1.WatchRequest;

/** Hands in a picture, tells what happens to it while it happens, and what was found: {@code Detect localhost:50051 photo.jpg}. */
public final class Detect {
  public static void main(String[] args) throws Exception {
    var channel = ManagedChannelBuilder.forTarget(args[0]).usePlaintext().build();
    var client = DetectionServiceGrpc.newBlockingStub(channel);
    var picture = Path.of(args[1]);
    var request =
        SubmitRequest.newBuilder()
            .setRequestId(UUID.randomUUID().toString()) // safe to repeat
            .addInputs(
                Input.newBuilder()
                    .setName(picture.getFileName().toString())
                    .setContent(ByteString.copyFrom(Files.readAllBytes(picture))))
            .setOptions(DetectionOptions.newBuilder().setScoreThreshold(0.4f))
            .build();
    var job = client.withDeadlineAfter(30, TimeUnit.SECONDS).submit(request).getJob();
    watch(client, job.getId(), Detect::tell);
    channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
  }

  /** Calls {@code handle} for each event of a job, once. A stream that ends before the job does is resumed after the last event. */
  static void watch(DetectionServiceBlockingStub client, String jobId, Consumer<Event> handle) throws InterruptedException {
    var after = 0L;
    for (var pauseMs = 250L; ; pauseMs = Math.min(2 * pauseMs, 5000)) {
      try {
        var updates = client.watch(WatchRequest.newBuilder().setJobId(jobId).setAfterSequence(after).build());
        while (updates.hasNext()) {
          var update = updates.next();
          if (!update.hasEvent()) continue;
          after = update.getEvent().getSequence();
          handle.accept(update.getEvent());
          if (update.getEvent().hasJobFinished()) return;
        }
      } catch (StatusRuntimeException error) {
        var code = error.getStatus().getCode();
        if (code != Code.UNAVAILABLE && code != Code.INTERNAL) throw error;
      }
      Thread.sleep(ThreadLocalRandom.current().nextLong(pauseMs));
    }
  }

  private static void tell(Event event) {
    switch (event.getKindCase()) {
      case ITEM_STARTED -> System.out.printf("#%d %s looks at it%n", event.getSequence(), event.getItemStarted().getWorker());
      case ITEM_FINISHED -> tell(event.getItemFinished().getItem());
      case JOB_FINISHED -> System.out.printf("#%d %s%n", event.getSequence(), event.getJobFinished().getState());
      default -> {}
    }
  }

  private static void tell(Item item) {
    for (var found : item.getResult().getDetectionsList()) {
      var box = found.getBoundingBox();
      System.out.printf("%s: %s %.2f at %d,%d, %dx%d%n", item.getName(), found.getCategory(), found.getScore(),
          box.getXPx(), box.getYPx(), box.getWidthPx(), box.getHeightPx());
    }
    if (item.hasError()) System.out.printf("%s: %s%n", item.getName(), item.getError().getMessage());
  }
}
