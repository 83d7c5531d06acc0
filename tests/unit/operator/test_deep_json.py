"""An object that is nested too deeply for Python does not stop the watch of other objects."""

import subprocess
import sys

ATTACK = """
import asyncio, json
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from kopf._cogs.clients import api
from mosaic_crds.json_input import read_json_of_any_depth
DEEP = '{"metadata": {"name": "deep"}, "spec": ' + "[" * 9000 + "]" * 9000 + "}"
GOOD = '{"metadata": {"name": "good"}, "spec": {}}'

async def listed(_):
    return web.Response(text=f'{{"items": [{DEEP}, {GOOD}]}}', content_type="application/json")

async def watched(_):
    return web.Response(text=f'{{"type": "ADDED", "object": {DEEP}}}\\n{{"type": "ADDED", "object": {GOOD}}}\\n')

async def main():
    app = web.Application()
    app.add_routes([web.get("/list", listed), web.get("/watch", watched)])
    async with TestServer(app) as server, ClientSession() as session:
        found = await (await session.get(server.make_url("/list"))).json()
        print([each["metadata"]["name"] for each in found["items"]])
        answer = await session.get(server.make_url("/watch"))
        async for line in api.iter_jsonlines(answer.content):
            print(api.json.loads(line.decode())["object"]["metadata"]["name"])

read_json_of_any_depth()
asyncio.run(main())
"""


def test_kopf_and_aiohttp_read_the_objects_beside_a_deeply_nested_one():
    done = subprocess.run([sys.executable, "-c", ATTACK], capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[:3] == ["['deep', 'good']", "deep", "good"], done.stderr
