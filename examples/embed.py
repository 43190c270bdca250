"""Two nodes in one process: a stream is published on the first and watched on the second.

Run it as it stands: `python examples/embed.py`. It prints the counter of the test picture for a few seconds.
"""

import asyncio

from swarm.client.testpicture import TestPicture, TestTone, read_counter
from swarm.config import Config
from swarm.node import Node

SECONDS = 3


async def main() -> None:
    async with (
        Node(Config(listen="127.0.0.1:0")) as first,
        Node(Config(listen="127.0.0.1:0", join=(first.address,))) as second,
    ):
        # Any aiortc tracks do, such as those of aiortc.contrib.media.MediaPlayer("talk.mp4").
        producer = await first.publish(audio=TestTone(), video=TestPicture())
        print(f"published {producer.id} on {first.url}")

        consumer = await second.consume(producer.id)
        print(f"watching it on {second.url}")
        for _ in range(SECONDS * 30):
            frame = await consumer.video.recv()
            counter = read_counter(frame)
            if counter is not None and counter % 30 == 0:
                print(f"picture {counter} of {frame.width}x{frame.height}")


asyncio.run(main())
