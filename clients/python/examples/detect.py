"""Hand in a picture, tell what happens to it while it happens, and what was found: detect.py localhost:50051 photo.jpg."""

import sys

import myeye


def main(target: str, picture: str) -> None:
    with myeye.Client(target) as client:
        job = client.submit(picture, score_threshold=0.4)
        for update in client.watch(job.id, after_sequence=0):  # resumes by itself when the connection breaks
            event = update.event
            match event.WhichOneof("kind"):
                case "item_started":
                    print(f"#{event.sequence} {event.item_started.worker} looks at it")
                case "item_finished":
                    tell(event.item_finished.item)
                case "job_finished":
                    print(f"#{event.sequence} {myeye.state_name(event.job_finished.state)}")


def tell(item: myeye.Item) -> None:
    """Print what was found, or why not."""
    for found in item.result.detections:
        box = found.bounding_box
        print(f"{item.name}: {found.category} {found.score:.2f} at {box.x_px},{box.y_px}, {box.width_px}x{box.height_px}")
    if item.HasField("error"):
        print(f"{item.name}: {myeye.reason(item.error)}: {item.error.message}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
