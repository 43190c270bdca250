"""The command line of swarmd: options become a `Config` or one call, errors become one line and an exit code.

Exit codes: 0 done, 1 the other side refused or failed, 2 a wrong option, file or address. Whatever a command needs is
imported by that command, because the daemon pays for every module it has loaded.
"""

import sys
from collections.abc import Callable, Coroutine
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from uuid import UUID

import click

from foundation.errors import LocalError, RemoteError

if TYPE_CHECKING:
    from swarm.config import Config
    from swarm.node import Node

Result = TypeVar("Result")

LOG_LEVELS = ("debug", "info", "warning", "error")

_api_option = click.option(
    "--api", default="http://127.0.0.1:7400", show_default=True, metavar="URL", help="A running node."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")


def _read_token(context: click.Context, _: click.Parameter, path: str | None) -> str:
    """The token itself never stands in the arguments, where every user of the machine could read it."""
    import os

    from swarm.client.token_file import read_token

    return read_token(path) if path is not None else os.environ.get("SWARMD_TOKEN", "").strip()


_token_option = click.option(
    "--token-file",
    "token",
    envvar="SWARMD_TOKEN_FILE",
    metavar="FILE",
    callback=_read_token,
    help="With an access token for the node; or set SWARMD_TOKEN to the token.",
)
_seconds_option = click.option("--seconds", type=click.FloatRange(min=0), metavar="N", help="End after this time.")


def main() -> NoReturn:
    """The console script."""
    try:
        code = commands.main(prog_name="swarmd", standalone_mode=False)
    except click.exceptions.Exit as exc:
        code = exc.exit_code
    except click.exceptions.NoArgsIsHelpError as exc:
        exc.show()
        code = exc.exit_code
    except click.UsageError as exc:
        command = exc.ctx.command_path if exc.ctx else "swarmd"
        code = _failed(f"{exc.format_message()} See '{command} --help'.", exc.exit_code)
    except click.ClickException as exc:
        code = _failed(exc.format_message(), exc.exit_code)
    except LocalError as exc:
        code = _failed(str(exc), 2)
    except RemoteError as exc:
        code = _failed(str(exc), 1)
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does; Python must not complain again when it flushes.
        sys.stderr.close()
        code = 1
    except (KeyboardInterrupt, click.Abort):
        code = 130
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="swarmd")
def commands() -> None:
    """A decentralised swarm of WebRTC SFUs: publish on one node, watch on any other."""


def _read_file(context: click.Context, _: click.Parameter, path: str | None) -> str | None:
    if path is not None:
        from swarm.settings import read_settings

        context.default_map = read_settings(path)
    return path


def _setting(*names: str, **attributes: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that may also be given as `SWARMD_...`."""
    variable = "SWARMD_" + names[-1].lstrip("-").replace("-", "_").upper()
    return click.option(*names, envvar=variable, show_envvar=True, **attributes)


@commands.command(short_help="Run a node until SIGINT, or SIGTERM and a drain.")
@_setting("--listen", metavar="HOST:PORT", help="TCP for HTTP and UDP for the rest.  [default: 127.0.0.1:7400]")
@_setting("--join", multiple=True, metavar="HOST:PORT", help="A node of the swarm to join; may be given again.")
@_setting("--advertise", multiple=True, metavar="IP:PORT", help="Where others reach this node; may be given again.")
@_setting("--data-dir", metavar="DIR", help="Keeps key and contacts.  [default: a new identity at every start]")
@_setting("--max-consumers", type=int, metavar="N", help="Copies sent before the node is busy.  [default: by load]")
@_setting("--max-packets-per-second", type=int, metavar="N", help="Sent; 0: any.  [default: benched, or 50000]")
@_setting("--max-mbps", type=int, metavar="N", help="Sent; 0: any.  [default: 800 without --max-consumers]")
@_setting("--max-cpu-percent", type=int, metavar="N", help="Of one core; 0: any.  [default: 85]")
@_setting("--max-lag-ms", type=int, metavar="N", help="By which timers are late; 0: any.  [default: 100]")
@_setting("--policy", metavar="FILE.py", help="A placement policy of your own; read again on SIGHUP.")
@_setting("--swarm", metavar="NAME", help="The swarm's name.  [default: default]")
@_setting("--swarm-key-file", metavar="FILE", help="The key of a private swarm, from 'swarmd keygen'.")
@_setting("--token-key-file", metavar="FILE", help="A secret or public key: whoever has no token by it is refused.")
@_setting("--tls-cert", metavar="FILE", help="Certificate chain in PEM, for HTTPS.")
@_setting("--tls-key", metavar="FILE", help="The certificate's private key in PEM.")
@_setting("--public-url", metavar="URL", help="Where clients reach this node.  [default: its address]")
@_setting("--trusted-proxy", multiple=True, metavar="NETWORK", help="Of reverse proxies; may be given again.")
@_setting("--open-swarm", is_flag=True, default=None, help="Serve everybody, without a swarm key.")
@_setting("--region", metavar="LABEL", help="Where the node is.")
@_setting("--read-only", is_flag=True, default=None, help="Others cannot reach this node: it only asks.")
@_setting("--contacts-per-subnet", type=int, metavar="N", help="Of one public network; 0: any number.  [default: 8]")
@_setting("--drain-seconds", type=int, metavar="N", help="To hand over after SIGTERM.  [default: 10]")
@_setting("--workers", type=int, default=1, metavar="N", help="Nodes, on ports counted up; one a core.  [default: 1]")
@_setting("--log-level", type=click.Choice(LOG_LEVELS), default="warning", show_default=True, help="For stderr.")
@_setting("--config", metavar="FILE", is_eager=True, callback=_read_file, help="A TOML file with the same options.")
def run(log_level: str, config: str | None, workers: int, **options: Any) -> int:
    """Run a node. Without options it is one of its own, on 127.0.0.1:7400.

    SIGINT (Ctrl-C) ends it at once. SIGTERM drains it: relays and viewers are handed to other nodes, and it ends when
    all have gone, at the latest after --drain-seconds; a second SIGTERM ends it at once.
    """
    import logging

    from swarm.config import Config

    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    given = {name: value for name, value in options.items() if value is not None}
    for name in ("join", "advertise", "trusted_proxy"):
        given[name] = tuple(part for item in given[name] for part in item.split(","))
    unknown = given.keys() - {field.name for field in fields(Config)}
    assert not unknown, f"options that are no fields of Config: {unknown}"
    wanted = Config(**given)
    if workers == 1:
        _complete(_run(wanted))
        return 0
    from swarm.workers.supervisor import run_workers

    return _complete(run_workers(wanted, workers, log_level, click.echo))


async def _run(config: "Config") -> None:
    from swarm.process.lean import leave_out

    leave_out()
    from contextlib import nullcontext

    from swarm.invitation import invitation
    from swarm.node import Node
    from swarm.process.garbage import collect_seldom
    from swarm.process.hangup import on_hangup
    from swarm.process.stopping import first_of, stop_or_drain_requested

    async with stop_or_drain_requested() as stopping, Node(config) as node:
        collect_seldom()
        stopping.drains(node.drain_by_signal)
        with on_hangup(lambda: _reload(node)) if config.policy is not None else nullcontext():
            for line in invitation(config, node.url):
                click.echo(line)
            await first_of(stopping.at_once.wait(), node.wait_drained())


def _reload(node: "Node") -> None:
    import logging

    try:
        node.reload_policy()
    except LocalError as exc:
        logging.getLogger("swarmd").warning("%s; the old policy stays", exc)


@commands.command(short_help="Make the key of a private swarm, or change it.")
@click.argument("file", required=False, type=click.Path())
@click.option("--rotate", is_flag=True, help="Take the key in FILE one step further to a new one; three steps.")
def keygen(file: str | None, rotate: bool) -> None:
    """Make the key of a private swarm: into FILE, which only you may read, or onto the terminal.

    With --rotate a running swarm gets another key in three steps, each of which is told.
    """
    from swarm.swarm_key import make_swarm_key, new_key, rotate_swarm_key

    if file is None:
        if rotate:
            raise click.UsageError("--rotate needs the FILE with the swarm's key.")
        click.echo(new_key().hex())
    elif rotate:
        click.echo(rotate_swarm_key(file))
    else:
        make_swarm_key(file)


@commands.command(short_help="Make an access token.")
@click.argument("key_file", type=click.Path())
@click.option("--grant", "grants", multiple=True, required=True, type=click.Choice(("publish", "play", "admin")))
@click.option("--producer", "producers", multiple=True, type=click.UUID, metavar="UUID", help="For these only.")
@click.option("--subject", default="", metavar="NAME", help="Who it is for: may take over own streams elsewhere.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), default=24, show_default=True, metavar="N")
def token(key_file: str, grants: tuple[str, ...], producers: tuple[UUID, ...], subject: str, hours: float) -> None:
    """Make an access token (a JWT) with the secret, or the Ed25519 or RSA private key, in KEY_FILE.

    Nodes with the secret, or the public key, as --token-key-file let its bearer in.
    """
    import time

    from swarm.tokens import Access, load_signing_key, make_token

    access = Access(frozenset(grants), frozenset(producers) if producers else None, subject)
    click.echo(make_token(load_signing_key(key_file), access, int(time.time() + hours * 3600)))


@commands.command(short_help="Publish a file, or a test picture and tone.")
@click.argument("file", required=False, type=click.Path())
@click.option("--to", default="http://127.0.0.1:7400", show_default=True, metavar="URL", help="A node or WHIP URL.")
@click.option("--id", "producer_id", type=click.UUID, metavar="UUID", help="The producer's id.  [default: a new one]")
@click.option("--video-codec", type=click.Choice(("VP8", "H264"), case_sensitive=False), help="Offer only this one.")
@_token_option
@_seconds_option
def publish(
    file: str | None, to: str, producer_id: UUID | None, video_codec: Any, token: str, seconds: float | None
) -> None:
    """Publish FILE, or a test picture with a running counter and a tone, until it ends or Ctrl-C."""
    _complete(_publish(file, to, producer_id, video_codec, token, seconds))


async def _publish(
    file: str | None, to: str, producer_id: UUID | None, codec: Any, token: str, seconds: float | None
) -> None:
    from swarm.client.signalling import whip_url
    from swarm.client.source import Source
    from swarm.client.whip import WhipPublisher
    from swarm.process.stopping import first_of, stop_requested

    url = whip_url(to, producer_id)
    source = Source.file(file) if file is not None else Source.test()
    publisher, signalling = WhipPublisher.to_url(
        url, audio=source.audio, video=source.video, video_codec=codec, token=token
    )
    async with stop_requested() as stopping:
        try:
            await first_of(publisher.connect(), stopping.wait())
            if publisher.connected:
                named = signalling.producer_id
                click.echo(f"producer  {named}" if named else f"session   {publisher.session}")
                if named:
                    click.echo(f"watch     {signalling.origin}/watch/{named}")
                await first_of(stopping.wait(), source.wait_ended(), publisher.wait_closed(), seconds=seconds)
                if publisher.lost:
                    raise RemoteError("the connection to the node was lost")
        finally:
            await publisher.close()
            source.stop()


@commands.command(short_help="Play a stream and count what arrives.")
@click.argument("url")
@click.option("-o", "--output", type=click.Path(), metavar="FILE.mp4", help="Record what is seen and heard.")
@_token_option
@_seconds_option
def play(url: str, output: str | None, token: str, seconds: float | None) -> None:
    """Play URL, such as http://127.0.0.1:7400/watch/UUID, and count what arrives, until it ends or Ctrl-C."""
    _complete(_play(url, output, token, seconds))


async def _play(url: str, output: str | None, token: str, seconds: float | None) -> None:
    from swarm.client.playing import play as play_until
    from swarm.process.stopping import stop_requested

    async with stop_requested() as stopping:
        await play_until(url, stopping, seconds=seconds, output=output, report=click.echo, token=token)


@commands.command()
@click.argument("producer_id", type=click.UUID, metavar="UUID")
@_api_option
@_token_option
@_json_option
def lookup(producer_id: UUID, api: str, token: str, as_json: bool) -> None:
    """Ask a node who owns a producer."""
    from swarm.client.api import NodeApi
    from swarm.client.show import producer_view

    found = _complete(NodeApi(api, token).producer(producer_id))
    _print(found, as_json, producer_view, found)


@commands.command()
@click.argument("producer_id", type=click.UUID, metavar="UUID")
@_api_option
@_token_option
@_json_option
def tree(producer_id: UUID, api: str, token: str, as_json: bool) -> None:
    """Draw the relay tree of a producer."""
    from swarm.client.api import NodeApi
    from swarm.client.show import tree_view

    found = _complete(NodeApi(api, token).tree(producer_id))
    _print(found, as_json, tree_view, found)


@commands.command()
@_api_option
@_token_option
@_json_option
def status(api: str, token: str, as_json: bool) -> None:
    """Show a node: its swarm, links and producers."""
    from swarm.client.show import node_view

    node, producers = _complete(_status(api, token))
    _print({"node": node, "producers": producers}, as_json, node_view, node, producers)


async def _status(api: str, token: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    from swarm.client.api import NodeApi

    client = NodeApi(api, token)
    return await client.node(), await client.producers()


@commands.command(short_help="Have a node leave the swarm without being missed.")
@click.argument("url", default="http://127.0.0.1:7400", metavar="[URL]")
@click.option("--seconds", type=click.FloatRange(min=0), metavar="N", help="At most.  [default: its --drain-seconds]")
@click.option("--undo", is_flag=True, help="Take it back: the node stays.")
@_token_option
@_json_option
def drain(url: str, seconds: float | None, undo: bool, token: str, as_json: bool) -> None:
    """Have the node at URL, on this machine or with a token of an admin, hand over its relays and viewers, and end.

    It takes nothing new from now on. It ends when all have gone, at the latest after --seconds.
    """
    from swarm.client.api import NodeApi
    from swarm.client.show import drain_view

    node = NodeApi(url, token)
    state = _complete(node.undrain() if undo else node.drain(seconds))
    _print(state, as_json, drain_view, state)


@commands.command(short_help="Run a swarm of four nodes on this machine.")
@click.option("--check", is_flag=True, help="Check what arrives, print a table and end; exit 0 only if all is well.")
def demo(check: bool) -> int:
    """Run four nodes on this machine, publish on one, watch through the others, and show the tree as it grows."""
    from swarm.demo.run import run_demo

    return _complete(run_demo(check=check))


@commands.command(short_help="Measure what this machine can carry.")
@click.option("--seconds", type=click.FloatRange(0.2, 60), default=5, show_default=True, metavar="N", help="Each load.")
@click.option("--viewers", type=click.IntRange(10, 500), default=200, show_default=True, metavar="N")
@click.option("--save", metavar="DIR", help="Keep what was found for nodes with this --data-dir.")
@_json_option
def bench(seconds: float, viewers: int, save: str | None, as_json: bool) -> int:
    """Run a node on this machine under load, and say how many viewers, packets and joins one core carries."""
    from swarm.bench.run import STEPS, run_bench
    from swarm.bench.view import bench_view, progress

    with progress(STEPS) as report:
        result = _complete(run_bench(seconds=seconds, viewers=viewers, report=report))
    if result is None:
        return 130
    if save is not None:
        from swarm.load.capacity import save_capacity

        click.echo(f"saved  {save_capacity(save, result)}", err=True)
    _print(result, as_json, bench_view, result)
    return 0


@commands.command(short_help="Run a swarm in virtual time.")
@click.option("--scenario", default="random", show_default=True, metavar="NAME", help="'list' shows them.")
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="The same seed gives the same run.")
@click.option("--nodes", type=click.IntRange(1, 100_000), metavar="N")
@click.option("--slots", type=click.IntRange(1, 10_000), metavar="N", help="Copies a node may send.")
@click.option("--regions", type=int, metavar="N")
@click.option("--producers", type=click.IntRange(1, 10_000), metavar="N")
@click.option("--viewers", type=click.IntRange(0, 10_000_000), metavar="N")
@click.option("--doors", type=click.IntRange(0), metavar="N", help="Nodes at which viewers arrive; 0: all.")
@_seconds_option
@click.option("--churn", type=click.FloatRange(0), metavar="SHARE", help="Of the nodes, leaving and joining per hour.")
@click.option("--kill", type=float, metavar="SHARE", help="Of the nodes, dying at once.")
@click.option("--loss", type=float, metavar="SHARE", help="Of the messages, lost.")
@click.option("--late", type=float, metavar="SHARE", help="Of the messages, late by 1 s.")
@click.option("--runs", type=click.IntRange(1), default=1, metavar="N", help="Seeds, of 'faults'.")
@click.option("--table", is_flag=True, help="Run what the relay tree is held against; exit 0 only if all is reached.")
@click.option("--svg", type=click.File("w"), metavar="FILE", help="Draw the first producer's tree at the end.")
@click.option("--trace", type=click.File("w"), metavar="FILE", help="Write every message that arrives.")
@_json_option
def simulate(
    scenario: str, seed: int, runs: int, table: bool, svg: Any, trace: Any, as_json: bool, **knobs: Any
) -> int:
    """Run the relay tree's own code in virtual time: thousands of nodes, their links, viewers and accidents."""
    from swarm.simulate import command

    if table:
        return command.run_table(seed, runs, as_json, _print)
    if scenario == "list":
        return command.list_scenarios(_print)
    if scenario == "faults":
        return command.run_faults(seed, runs, click.echo)
    given = {name: value for name, value in knobs.items() if value is not None}
    return command.run_scenario(scenario, given | {"seed": seed}, svg, trace, as_json, _print)


def _complete(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Runs to the end on uvloop."""
    import asyncio

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


def _print(value: Any, as_json: bool, view: Callable[..., Any], *arguments: Any) -> None:
    import json

    if as_json:
        click.echo(json.dumps(value, indent=2))
        return
    from rich.console import Console

    # A pipe has no width: what reads it wants whole ids, not 80 columns.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(view(*arguments))


def _failed(message: str, code: int) -> int:
    click.echo("swarmd: " + " ".join(message.split()), err=True)
    return code


if __name__ == "__main__":
    main()
