# frozen_string_literal: true

# Plays the conformance scenario: ruby conformance.rb TARGET SCENARIO PICTURE RUN GUARDED TOKEN.

$LOAD_PATH.unshift File.join(__dir__, 'generated')
require 'json'
require 'google/protobuf/well_known_types' # Any#is and Any#unpack
require 'google/rpc/error_details_pb'
require 'google/rpc/status_pb'
require 'grpc/health/v1/health_services_pb'
require 'myeye/v1/blob_service_services_pb'
require 'myeye/v1/detection_service_services_pb'

V1 = Myeye::V1
Rpc = Google::Rpc
$stdout.sync = true

def tell(line)
  puts JSON.generate(line)
end

def refusal
  yield
  raise 'was not refused'
rescue GRPC::BadStatus => e
  e
end

# The first detail of a type, of a google.rpc.Status.
def detail(status, type)
  status&.details&.find { |any| any.is(type) }&.unpack(type)
end

# The status that an error carries.
def status_of(error)
  Rpc::Status.decode(error.metadata.fetch('grpc-status-details-bin'))
end

def info(error)
  detail(status_of(error), Rpc::ErrorInfo)
end

def code_name(error)
  GRPC::Core::StatusCodes.constants.find { |name| GRPC::Core::StatusCodes.const_get(name) == error.code }.to_s
end

def told(error)
  { code: code_name(error), reason: info(error).reason }
end

def reason(status)
  detail(status, Rpc::ErrorInfo)&.reason.to_s
end

def inside?(box, result)
  box.x_px >= 0 && box.y_px >= 0 && box.x_px + box.width_px <= result.width_px && box.y_px + box.height_px <= result.height_px
end

# The steps.
class Scenario
  def initialize(target, scenario, picture, run)
    @detection = V1::DetectionService::Stub.new(target, :this_channel_is_insecure)
    @blobs = V1::BlobService::Stub.new(target, :this_channel_is_insecure)
    @health = Grpc::Health::V1::Health::Stub.new(target, :this_channel_is_insecure)
    @scenario = JSON.parse(File.read(scenario))
    @picture = File.binread(picture)
    @run = run
  end

  def play
    capabilities
    health
    finished = submit_twice
    watch_to_the_end(finished)
    resume
    batch
    cancel(finished)
    bad_request
    queue_full
    uploaded = upload
    download(finished, uploaded)
    deadline
    list
    remove(uploaded)
  end

  private

  def limit
    { deadline: Time.now + 60 }
  end

  def request(key, step = nil)
    made = V1::SubmitRequest.decode_json(@scenario[key].to_json)
    made.inputs.each { |input| input.content = @picture if input.name == 'photo.jpg' }
    made.labels['run'] = @run
    made.labels['step'] = step if step
    made
  end

  def submit(made)
    @detection.submit(made, **limit)
  end

  def waiting_job(step)
    submit(request('waiting', step)).job.id
  end

  def waited(job_id)
    @detection.wait(V1::WaitRequest.new(job_id: job_id), **limit).job
  end

  def cancelled(job_id)
    @detection.cancel(V1::CancelRequest.new(job_id: job_id, reason: 'conformance'), **limit).job
  end

  def watch(job_id, **from)
    @detection.watch(V1::WatchRequest.new(job_id: job_id, **from))
  end

  def capabilities
    known = @detection.get_capabilities(V1::GetCapabilitiesRequest.new, **limit)
    tell(
      step: 'capabilities',
      models: known.models.map { |model| [model.name, model.is_default, model.live_workers.positive?] }.sort_by(&:first),
      max_items_per_job: known.limits.max_items_per_job,
      max_wait_s: known.limits.max_wait.seconds,
      looks_at_jpeg: known.media_types.include?('image/jpeg')
    )
  end

  def check(service)
    @health.check(Grpc::Health::V1::HealthCheckRequest.new(service: service), **limit).status
  rescue GRPC::BadStatus => e
    code_name(e)
  end

  def health
    tell(step: 'health', server: check(''), service: check('myeye.v1.DetectionService'), unknown: check('nosuch'))
  end

  def submit_twice
    made = request('submit')
    made.request_id = "#{@run}-submit"
    first = submit(made)
    second = submit(made)
    job = first.job
    tell(
      step: 'submit', replayed: [first.replayed, second.replayed], same_job: job.id == second.job.id, priority: job.priority,
      label: job.labels['step'], threshold: job.options.score_threshold, denylist: job.options.category_denylist.to_a
    )
    other = request('other')
    other.request_id = made.request_id
    reused = refusal { submit(other) }
    tell(step: 'reused', **told(reused), same_job: info(reused).metadata['job_id'] == job.id)
    job.id
  end

  def watch_to_the_end(job_id)
    events = watch(job_id, after_sequence: 0).filter_map(&:event)
    result = events.filter_map(&:item_finished).first.item.result
    tell(
      step: 'watch', sequences: events.map(&:sequence), kinds: events.map(&:kind), state: events.last.job_finished.state,
      size: [result.width_px, result.height_px], found: result.detections.map(&:category),
      boxes_inside: result.detections.all? { |found| inside?(found.bounding_box, result) }, annotated: result.annotated
    )
    tell(step: 'snapshot', messages: watch(job_id).map(&:message))
  end

  def resume
    job_id = waiting_job('resume')
    before = []
    cut = refusal do
      watch(job_id, after_sequence: 0).each do |update|
        next unless update.event

        before << update.event
        tell(ask: 'cut')
      end
    end
    after = after_the_cut(job_id, before.last.sequence)
    finished = after.last.job_finished
    tell(
      step: 'resume', cut: cut.is_a?(GRPC::Unavailable) || cut.is_a?(GRPC::Internal), before: before.map(&:sequence),
      after: after.map(&:sequence), kinds: after.map(&:kind), state: finished.state, reason: reason(finished.error)
    )
  end

  def after_the_cut(job_id, sequence)
    after = []
    begin
      watch(job_id, after_sequence: after.last&.sequence || sequence).each do |update|
        update.event ? after << update.event : cancelled(job_id)
      end
    rescue GRPC::Unavailable, GRPC::Internal
      sleep 0.05
      retry
    end
    after
  end

  def batch
    job = waited(submit(request('batch')).job.id)
    progress = job.progress
    tell(
      step: 'batch', state: job.state, items: job.items.map { |item| [item.name, item.state, reason(item.error)] },
      progress: [progress.items_done, progress.items_failed, progress.items_total]
    )
  end

  def cancel(finished)
    job_id = waiting_job('cancel')
    states = Array.new(2) { cancelled(job_id).state }
    refused = refusal { cancelled(finished) }
    tell(step: 'cancel', states: states, **told(refused), ended: info(refused).metadata['state'])
  end

  def bad_request
    refused = refusal { submit(request('wrong')) }
    fields = detail(status_of(refused), Rpc::BadRequest).field_violations.map(&:field).sort
    about = info(refused)
    tell(step: 'bad_request', **told(refused), domain: about.domain, fields: fields, count: about.metadata['violations'])
  end

  def queue_full
    made = request('full')
    made.inputs << made.inputs.first while made.inputs.size < @scenario['full_items']
    refused = refusal { submit(made) }
    delay = detail(status_of(refused), Rpc::RetryInfo).retry_delay
    subjects = detail(status_of(refused), Rpc::QuotaFailure).violations.map(&:subject)
    tell(step: 'queue_full', **told(refused), subjects: subjects, retry_later: delay.seconds.positive? || delay.nanos.positive?)
  end

  def upload_part(from, to)
    target = V1::UploadTarget.new(upload_id: "#{@run}-upload-of-a-photo", size_bytes: @picture.bytesize, offset: from)
    piece = @scenario['upload_piece_bytes']
    pieces = from.step(to - 1, piece).map { |at| V1::UploadRequest.new(data: @picture.byteslice(at, [piece, to - at].min)) }
    @blobs.upload([V1::UploadRequest.new(target: target), *pieces], **limit).upload
  end

  def upload
    first = upload_part(0, @scenario['upload_cut_bytes'])
    second = upload_part(first.received_bytes, @picture.bytesize)
    made = request('uploaded')
    made.inputs << V1::Input.new(name: 'photo.jpg', blob: second.id)
    job = waited(submit(made).job.id)
    tell(
      step: 'upload', received: [first.received_bytes, second.received_bytes], complete: [first.complete, second.complete],
      state: job.state
    )
    job.id
  end

  def annotated(job_id)
    @blobs.download_annotated(V1::DownloadAnnotatedRequest.new(job_id: job_id), **limit).map { |part| part.body.data }.join
  end

  def download(drawn, uploaded)
    input = @blobs.download_input(V1::DownloadInputRequest.new(job_id: uploaded), **limit).map { |part| part.body.data }.join
    tell(
      step: 'download', same: input == @picture, annotated_is_jpeg: annotated(drawn).start_with?("\xFF\xD8\xFF".b),
      missing: told(refusal { annotated(uploaded) })
    )
  end

  def deadline
    job_id = waiting_job('deadline')
    ended = refusal { @detection.wait(V1::WaitRequest.new(job_id: job_id), deadline: Time.now + @scenario['deadline_ms'] / 1000.0) }
    state = @detection.get(V1::GetRequest.new(job_id: job_id), **limit).job.state
    tell(step: 'deadline', exceeded: ended.is_a?(GRPC::DeadlineExceeded), state: state)
    cancelled(job_id)
  end

  def list
    made = V1::ListRequest.new(labels: ["run=#{@run}"], page_size: @scenario['page_size'])
    pages = []
    loop do
      pages << @detection.list(made, **limit)
      made.page_token = pages.last.next_page_token
      break if made.page_token.empty?
    end
    tell(step: 'list', pages: pages.map { |page| page.jobs.size }, steps: pages.flat_map { |page| page.jobs.map { |job| job.labels['step'] } })
  end

  def remove(job_id)
    @detection.delete(V1::DeleteRequest.new(job_id: job_id), **limit)
    tell(step: 'delete', **told(refusal { @detection.get(V1::GetRequest.new(job_id: job_id), **limit) }))
  end
end

# Calls where a token is asked for.
def show_token(guarded, token)
  client = V1::DetectionService::Stub.new(guarded, :this_channel_is_insecure)
  ask = ->(metadata) { client.get_capabilities(V1::GetCapabilitiesRequest.new, metadata: metadata, deadline: Time.now + 60) }
  without = told(refusal { ask.call({}) })
  wrong = told(refusal { ask.call({ 'authorization' => 'Bearer nobody' }) })
  tell(step: 'token', without: without, wrong: wrong, right: !ask.call({ 'authorization' => "Bearer #{token}" }).limits.nil?)
end

Scenario.new(*ARGV.first(4)).play
show_token(*ARGV.last(2))
