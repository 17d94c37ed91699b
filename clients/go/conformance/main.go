// Conformance plays the conformance scenario: conformance TARGET SCENARIO PICTURE RUN GUARDED TOKEN.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"sort"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	pb "myeye/v1"
)

type line map[string]interface{}

type player struct {
	detection pb.DetectionServiceClient
	blobs     pb.BlobServiceClient
	health    healthpb.HealthClient
	scenario  map[string]json.RawMessage
	picture   []byte
	run       string
}

func main() {
	log.SetFlags(0)
	target, scenario, picture, run := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	conn, err := grpc.Dial(target, grpc.WithInsecure())
	must(err)
	defer conn.Close()
	p := &player{
		detection: pb.NewDetectionServiceClient(conn),
		blobs:     pb.NewBlobServiceClient(conn),
		health:    healthpb.NewHealthClient(conn),
		run:       run,
	}
	data, err := os.ReadFile(scenario)
	must(err)
	must(json.Unmarshal(data, &p.scenario))
	p.picture, err = os.ReadFile(picture)
	must(err)

	p.capabilities()
	p.healthCheck()
	finished := p.submitTwice()
	p.watchToTheEnd(finished)
	p.resume()
	p.batch()
	p.cancel(finished)
	p.badRequest()
	p.queueFull()
	uploaded := p.upload()
	p.download(finished, uploaded)
	p.deadline()
	p.list()
	p.remove(uploaded)
	showToken(os.Args[5], os.Args[6])
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func tell(told ...line) {
	all := line{}
	for _, part := range told {
		for key, value := range part {
			all[key] = value
		}
	}
	text, err := json.Marshal(all)
	must(err)
	fmt.Println(string(text))
}

func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

// number is a setting of the scenario.
func (p *player) number(key string) int {
	var value int
	must(json.Unmarshal(p.scenario[key], &value))
	return value
}

func (p *player) request(key, step string) *pb.SubmitRequest {
	request := &pb.SubmitRequest{}
	must(protojson.Unmarshal(p.scenario[key], request))
	for _, input := range request.Inputs {
		if input.Name == "photo.jpg" {
			input.Source = &pb.Input_Content{Content: p.picture}
		}
	}
	if request.Labels == nil {
		request.Labels = map[string]string{}
	}
	request.Labels["run"] = p.run
	if step != "" {
		request.Labels["step"] = step
	}
	return request
}

func (p *player) submit(request *pb.SubmitRequest) (*pb.SubmitResponse, error) {
	ctx, cancel := limited()
	defer cancel()
	return p.detection.Submit(ctx, request)
}

func (p *player) submitted(request *pb.SubmitRequest) *pb.SubmitResponse {
	response, err := p.submit(request)
	must(err)
	return response
}

func (p *player) waitingJob(step string) string {
	return p.submitted(p.request("waiting", step)).Job.Id
}

func (p *player) waited(jobID string) *pb.Job {
	ctx, cancel := limited()
	defer cancel()
	response, err := p.detection.Wait(ctx, &pb.WaitRequest{JobId: jobID})
	must(err)
	return response.Job
}

func (p *player) cancelJob(jobID string) (*pb.Job, error) {
	ctx, cancel := limited()
	defer cancel()
	response, err := p.detection.Cancel(ctx, &pb.CancelRequest{JobId: jobID, Reason: "conformance"})
	return response.GetJob(), err
}

// detail gives the first google.rpc detail of the kind that wanted accepts.
func detail(err error, wanted func(interface{}) bool) interface{} {
	for _, each := range status.Convert(err).Details() {
		if wanted(each) {
			return each
		}
	}
	return nil
}

func info(err error) *errdetails.ErrorInfo {
	found, _ := detail(err, func(each interface{}) bool { _, ok := each.(*errdetails.ErrorInfo); return ok }).(*errdetails.ErrorInfo)
	return found
}

func reason(told *rpcstatus.Status) string {
	if told == nil {
		return ""
	}
	return info(status.ErrorProto(told)).GetReason()
}

var names = map[codes.Code]string{
	codes.AlreadyExists: "ALREADY_EXISTS", codes.FailedPrecondition: "FAILED_PRECONDITION", codes.InvalidArgument: "INVALID_ARGUMENT",
	codes.NotFound: "NOT_FOUND", codes.OK: "OK", codes.ResourceExhausted: "RESOURCE_EXHAUSTED", codes.Unauthenticated: "UNAUTHENTICATED",
}

func name(code codes.Code) string {
	if known, ok := names[code]; ok {
		return known
	}
	return code.String()
}

func refused(err error) line {
	return line{"code": name(status.Code(err)), "reason": info(err).GetReason()}
}

func (p *player) capabilities() {
	ctx, cancel := limited()
	defer cancel()
	known, err := p.detection.GetCapabilities(ctx, &pb.GetCapabilitiesRequest{})
	must(err)
	sort.Slice(known.Models, func(i, j int) bool { return known.Models[i].Name < known.Models[j].Name })
	models := [][]interface{}{}
	for _, model := range known.Models {
		models = append(models, []interface{}{model.Name, model.IsDefault, model.LiveWorkers > 0})
	}
	jpeg := false
	for _, each := range known.MediaTypes {
		jpeg = jpeg || each == "image/jpeg"
	}
	tell(line{
		"step": "capabilities", "models": models, "max_items_per_job": known.Limits.MaxItemsPerJob,
		"max_wait_s": known.Limits.MaxWait.Seconds, "looks_at_jpeg": jpeg,
	})
}

func (p *player) healthCheck() {
	check := func(service string) string {
		ctx, cancel := limited()
		defer cancel()
		answer, err := p.health.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			return name(status.Code(err))
		}
		return answer.Status.String()
	}
	tell(line{"step": "health", "server": check(""), "service": check("myeye.v1.DetectionService"), "unknown": check("nosuch")})
}

func (p *player) submitTwice() string {
	request := p.request("submit", "")
	request.RequestId = p.run + "-submit"
	first, second := p.submitted(request), p.submitted(request)
	tell(line{
		"step": "submit", "replayed": []bool{first.Replayed, second.Replayed}, "same_job": first.Job.Id == second.Job.Id,
		"priority": first.Job.Priority.String(), "label": first.Job.Labels["step"],
		"threshold": first.Job.Options.GetScoreThreshold(), "denylist": first.Job.Options.CategoryDenylist,
	})
	other := p.request("other", "")
	other.RequestId = request.RequestId
	_, err := p.submit(other)
	tell(line{"step": "reused", "same_job": info(err).GetMetadata()["job_id"] == first.Job.Id}, refused(err))
	return first.Job.Id
}

// stream calls handle for every message of one Watch, and gives the error that it ended with; nil where that was its proper end.
func (p *player) stream(jobID string, after *int64, handle func(*pb.WatchResponse)) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := p.detection.Watch(ctx, &pb.WatchRequest{JobId: jobID, AfterSequence: after})
	if err != nil {
		return err
	}
	for {
		update, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		handle(update)
	}
}

func collected(events *[]*pb.Event) func(*pb.WatchResponse) {
	return func(update *pb.WatchResponse) {
		if event := update.GetEvent(); event != nil {
			*events = append(*events, event)
		}
	}
}

func sequences(events []*pb.Event) []int64 {
	all := []int64{}
	for _, event := range events {
		all = append(all, event.Sequence)
	}
	return all
}

func kinds(events []*pb.Event) []string {
	all := []string{}
	for _, event := range events {
		message := event.ProtoReflect()
		all = append(all, string(message.WhichOneof(message.Descriptor().Oneofs().ByName("kind")).Name()))
	}
	return all
}

func (p *player) watchToTheEnd(jobID string) {
	var events []*pb.Event
	must(p.stream(jobID, new(int64), collected(&events)))
	var result *pb.DetectionResult
	for _, event := range events {
		if finished := event.GetItemFinished(); finished != nil {
			result = finished.Item.Result
		}
	}
	found, inside := []string{}, true
	for _, each := range result.Detections {
		box := each.BoundingBox
		found = append(found, each.Category)
		inside = inside && box.XPx >= 0 && box.YPx >= 0 && box.XPx+box.WidthPx <= result.WidthPx && box.YPx+box.HeightPx <= result.HeightPx
	}
	tell(line{
		"step": "watch", "sequences": sequences(events), "kinds": kinds(events),
		"state": events[len(events)-1].GetJobFinished().GetState().String(), "size": []int32{result.WidthPx, result.HeightPx},
		"found": found, "boxes_inside": inside, "annotated": result.Annotated,
	})
	messages := []string{}
	must(p.stream(jobID, nil, func(update *pb.WatchResponse) {
		message := update.ProtoReflect()
		messages = append(messages, string(message.WhichOneof(message.Descriptor().Oneofs().ByName("message")).Name()))
	}))
	tell(line{"step": "snapshot", "messages": messages})
}

func (p *player) resume() {
	jobID := p.waitingJob("resume")
	var before, after []*pb.Event
	broken := p.stream(jobID, new(int64), func(update *pb.WatchResponse) {
		if event := update.GetEvent(); event != nil {
			before = append(before, event)
			tell(line{"ask": "cut"})
		}
	})
	for ended := false; !ended; {
		last := before[len(before)-1].Sequence
		if len(after) > 0 {
			last = after[len(after)-1].Sequence
		}
		err := p.stream(jobID, &last, func(update *pb.WatchResponse) {
			if event := update.GetEvent(); event != nil {
				after = append(after, event)
			} else {
				_, err := p.cancelJob(jobID)
				must(err)
			}
		})
		if ended = err == nil; !ended {
			time.Sleep(50 * time.Millisecond)
		}
	}
	finished := after[len(after)-1].GetJobFinished()
	tell(line{
		"step": "resume", "cut": broken != nil, "before": sequences(before), "after": sequences(after), "kinds": kinds(after),
		"state": finished.State.String(), "reason": reason(finished.Error),
	})
}

func (p *player) batch() {
	job := p.waited(p.submitted(p.request("batch", "")).Job.Id)
	items := [][]string{}
	for _, item := range job.Items {
		items = append(items, []string{item.Name, item.State.String(), reason(item.Error)})
	}
	progress := []int32{job.Progress.ItemsDone, job.Progress.ItemsFailed, job.Progress.ItemsTotal}
	tell(line{"step": "batch", "state": job.State.String(), "items": items, "progress": progress})
}

func (p *player) cancel(finished string) {
	jobID := p.waitingJob("cancel")
	states := []string{}
	for range [2]int{} {
		job, err := p.cancelJob(jobID)
		must(err)
		states = append(states, job.State.String())
	}
	_, err := p.cancelJob(finished)
	tell(line{"step": "cancel", "states": states, "ended": info(err).GetMetadata()["state"]}, refused(err))
}

func (p *player) badRequest() {
	_, err := p.submit(p.request("wrong", ""))
	bad, _ := detail(err, func(each interface{}) bool { _, ok := each.(*errdetails.BadRequest); return ok }).(*errdetails.BadRequest)
	fields := []string{}
	for _, violation := range bad.GetFieldViolations() {
		fields = append(fields, violation.Field)
	}
	sort.Strings(fields)
	tell(line{
		"step": "bad_request", "domain": info(err).GetDomain(), "fields": fields, "count": info(err).GetMetadata()["violations"],
	}, refused(err))
}

func (p *player) queueFull() {
	request := p.request("full", "")
	for len(request.Inputs) < p.number("full_items") {
		request.Inputs = append(request.Inputs, request.Inputs[0])
	}
	_, err := p.submit(request)
	subjects := []string{}
	later := false
	for _, each := range status.Convert(err).Details() {
		switch known := each.(type) {
		case *errdetails.QuotaFailure:
			for _, violation := range known.Violations {
				subjects = append(subjects, violation.Subject)
			}
		case *errdetails.RetryInfo:
			later = known.RetryDelay.Seconds > 0 || known.RetryDelay.Nanos > 0
		}
	}
	tell(line{"step": "queue_full", "subjects": subjects, "retry_later": later}, refused(err))
}

func (p *player) uploadPart(begin, end int) *pb.Upload {
	ctx, cancel := limited()
	defer cancel()
	stream, err := p.blobs.Upload(ctx)
	must(err)
	target := &pb.UploadTarget{UploadId: p.run + "-upload-of-a-photo", SizeBytes: int64(len(p.picture)), Offset: int64(begin)}
	must(stream.Send(&pb.UploadRequest{Message: &pb.UploadRequest_Target{Target: target}}))
	piece := p.number("upload_piece_bytes")
	for at := begin; at < end; at += piece {
		stop := at + piece
		if stop > end {
			stop = end
		}
		must(stream.Send(&pb.UploadRequest{Message: &pb.UploadRequest_Data{Data: p.picture[at:stop]}}))
	}
	response, err := stream.CloseAndRecv()
	must(err)
	return response.Upload
}

func (p *player) upload() string {
	first := p.uploadPart(0, p.number("upload_cut_bytes"))
	second := p.uploadPart(int(first.ReceivedBytes), len(p.picture))
	request := p.request("uploaded", "")
	request.Inputs = []*pb.Input{{Name: "photo.jpg", Source: &pb.Input_Blob{Blob: second.Id}}}
	job := p.waited(p.submitted(request).Job.Id)
	tell(line{
		"step": "upload", "received": []int64{first.ReceivedBytes, second.ReceivedBytes},
		"complete": []bool{first.Complete, second.Complete}, "state": job.State.String(),
	})
	return job.Id
}

// whole puts the pieces of a download together; next gives them one by one.
func whole(next func() (*httpbody.HttpBody, error)) ([]byte, error) {
	var all []byte
	for {
		body, err := next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, body.GetData()...)
	}
}

func (p *player) annotated(jobID string) ([]byte, error) {
	ctx, cancel := limited()
	defer cancel()
	stream, err := p.blobs.DownloadAnnotated(ctx, &pb.DownloadAnnotatedRequest{JobId: jobID})
	must(err)
	return whole(func() (*httpbody.HttpBody, error) {
		part, err := stream.Recv()
		return part.GetBody(), err
	})
}

func (p *player) download(drawn, uploaded string) {
	ctx, cancel := limited()
	defer cancel()
	stream, err := p.blobs.DownloadInput(ctx, &pb.DownloadInputRequest{JobId: uploaded})
	must(err)
	input, err := whole(func() (*httpbody.HttpBody, error) {
		part, err := stream.Recv()
		return part.GetBody(), err
	})
	must(err)
	jpeg, err := p.annotated(drawn)
	must(err)
	_, err = p.annotated(uploaded)
	tell(line{
		"step": "download", "same": bytes.Equal(input, p.picture),
		"annotated_is_jpeg": strings.HasPrefix(string(jpeg), "\xff\xd8\xff"), "missing": refused(err),
	})
}

func (p *player) deadline() {
	jobID := p.waitingJob("deadline")
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(p.number("deadline_ms"))*time.Millisecond)
	defer cancel()
	_, err := p.detection.Wait(ctx, &pb.WaitRequest{JobId: jobID})
	longer, stop := limited()
	defer stop()
	response, failure := p.detection.Get(longer, &pb.GetRequest{JobId: jobID})
	must(failure)
	tell(line{"step": "deadline", "exceeded": status.Code(err) == codes.DeadlineExceeded, "state": response.Job.State.String()})
	_, err = p.cancelJob(jobID)
	must(err)
}

func (p *player) list() {
	ctx, cancel := limited()
	defer cancel()
	request := &pb.ListRequest{Labels: []string{"run=" + p.run}, PageSize: int32(p.number("page_size"))}
	pages, steps := []int{}, []string{}
	for first := true; first || request.PageToken != ""; first = false {
		page, err := p.detection.List(ctx, request)
		must(err)
		pages = append(pages, len(page.Jobs))
		for _, job := range page.Jobs {
			steps = append(steps, job.Labels["step"])
		}
		request.PageToken = page.NextPageToken
	}
	tell(line{"step": "list", "pages": pages, "steps": steps})
}

func (p *player) remove(jobID string) {
	ctx, cancel := limited()
	defer cancel()
	_, err := p.detection.Delete(ctx, &pb.DeleteRequest{JobId: jobID})
	must(err)
	_, err = p.detection.Get(ctx, &pb.GetRequest{JobId: jobID})
	tell(line{"step": "delete"}, refused(err))
}

// showToken calls where a token is asked for.
func showToken(guarded, token string) {
	conn, err := grpc.Dial(guarded, grpc.WithInsecure())
	must(err)
	defer conn.Close()
	client := pb.NewDetectionServiceClient(conn)
	ask := func(shown ...string) error {
		ctx, cancel := limited()
		defer cancel()
		for _, each := range shown {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+each)
		}
		_, err := client.GetCapabilities(ctx, &pb.GetCapabilitiesRequest{})
		return err
	}
	tell(line{"step": "token", "without": refused(ask()), "wrong": refused(ask("nobody")), "right": ask(token) == nil})
}
