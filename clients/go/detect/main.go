// Detect hands in a picture, tells what happens to it while it happens, and what was found.
//
//	detect localhost:50051 photo.jpg
package main

import (
	"context"
	"fmt"
	"log"
	"math/rand"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "myeye/v1"
)

func main() {
	rand.Seed(time.Now().UnixNano())
	conn, err := grpc.Dial(os.Args[1], grpc.WithInsecure())
	check(err)
	defer conn.Close()
	client := pb.NewDetectionServiceClient(conn)
	content, err := os.ReadFile(os.Args[2])
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	submitted, err := client.Submit(ctx, &pb.SubmitRequest{
		RequestId: fmt.Sprintf("%016x", rand.Uint64()), // makes it safe to repeat
		Inputs:    []*pb.Input{{Name: filepath.Base(os.Args[2]), Source: &pb.Input_Content{Content: content}}},
		Options:   &pb.DetectionOptions{ScoreThreshold: proto.Float32(0.4)},
	})
	check(err)
	check(watch(context.Background(), client, submitted.Job.Id, tell))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// watch calls handle for every event of a job, each once. A stream that ends before the job does is resumed after the last event.
func watch(ctx context.Context, client pb.DetectionServiceClient, jobID string, handle func(*pb.Event)) error {
	var after int64
	for pause := 250 * time.Millisecond; ; pause = (pause + 5*time.Second) / 2 {
		stream, err := client.Watch(ctx, &pb.WatchRequest{JobId: jobID, AfterSequence: &after})
		for err == nil {
			var update *pb.WatchResponse
			update, err = stream.Recv()
			if event := update.GetEvent(); event != nil {
				handle(event)
				after, pause = event.Sequence, 250*time.Millisecond
				if event.GetJobFinished() != nil {
					return nil
				}
			}
		}
		if code := status.Code(err); code == codes.NotFound || code == codes.InvalidArgument || ctx.Err() != nil {
			return err
		}
		time.Sleep(time.Duration(rand.Int63n(int64(pause))))
	}
}

func tell(event *pb.Event) {
	switch kind := event.Kind.(type) {
	case *pb.Event_ItemStarted:
		fmt.Printf("#%d %s looks at it\n", event.Sequence, kind.ItemStarted.Worker)
	case *pb.Event_ItemFinished:
		item := kind.ItemFinished.Item
		for _, found := range item.GetResult().GetDetections() {
			fmt.Printf("%s: %s %.2f at %v\n", item.Name, found.Category, found.Score, found.BoundingBox)
		}
		if item.Error != nil {
			fmt.Printf("%s: %s\n", item.Name, item.Error.Message)
		}
	case *pb.Event_JobFinished:
		fmt.Printf("#%d %s\n", event.Sequence, kind.JobFinished.State)
	}
}
