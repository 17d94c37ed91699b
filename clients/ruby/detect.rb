# frozen_string_literal: true

# Hands in a picture, tells what happens to it while it happens, and what was found.
#
#   ruby detect.rb localhost:50051 photo.jpg

$LOAD_PATH.unshift File.join(__dir__, 'generated')
require 'securerandom'
require 'myeye/v1/detection_service_services_pb'

# A job's events, each once: a stream that ends before the job does is resumed after the last event.
class Watch
  include Enumerable

  TRANSIENT = [GRPC::Unavailable, GRPC::Internal].freeze

  def initialize(client, job_id)
    @client = client
    @job_id = job_id
    @after = 0
  end

  def each(&block)
    pause = 0.25
    loop do
      begin
        return if follow(&block)
      rescue *TRANSIENT => e
        warn "#{e.details}; going on after event #{@after}"
      end
      sleep rand * pause
      pause = [2 * pause, 5].min
    end
  end

  private

  # Reads one stream; true when the job has ended.
  def follow
    request = Myeye::V1::WatchRequest.new(job_id: @job_id, after_sequence: @after)
    @client.watch(request).each do |update|
      next unless (event = update.event)

      @after = event.sequence
      yield event
      return true if event.job_finished
    end
    false
  end
end

def tell(item)
  item.result&.detections&.each do |found|
    box = found.bounding_box
    puts format('%s: %s %.2f at %d,%d, %dx%d', item.name, found.category, found.score, box.x_px, box.y_px, box.width_px, box.height_px)
  end
  puts "#{item.name}: #{item.error.message}" if item.error
end

target, picture = ARGV
client = Myeye::V1::DetectionService::Stub.new(target, :this_channel_is_insecure)
input = Myeye::V1::Input.new(name: File.basename(picture), content: File.binread(picture))
request = Myeye::V1::SubmitRequest.new(
  request_id: SecureRandom.uuid, # safe to repeat
  inputs: [input],
  options: Myeye::V1::DetectionOptions.new(score_threshold: 0.4)
)
job = client.submit(request, deadline: Time.now + 30).job
Watch.new(client, job.id).each do |event|
  case event.kind
  when :item_started then puts "##{event.sequence} #{event.item_started.worker} looks at it"
  when :item_finished then tell(event.item_finished.item)
  when :job_finished then puts "##{event.sequence} #{event.job_finished.state}"
  end
end
