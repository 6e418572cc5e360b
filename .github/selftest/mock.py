"""A chatbot and its judge for selftest.yml: OpenAI's protocol, and no model behind it.

    python3 mock.py HOST PORT

The chatbot adds two numbers. While the file `worse` lies beside this one, it does not know every
third sum, and the judge calls such an answer bad.
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WORSE = Path(__file__).with_name("worse")
UNKNOWN = "I do not know."


def answer(text: str) -> str:
    """Return the sum of the numbers of a question."""
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    return UNKNOWN if WORSE.exists() and numbers[0] % 3 == 0 else str(sum(numbers))


def judge(text: str) -> str:
    """Return the verdict on an answer, in the form that a judge is asked for."""
    label = "bad" if UNKNOWN in text else "good"
    return json.dumps({"reason": "a sum or none", "evidence": [], "label": label})


class Chat(BaseHTTPRequestHandler):
    """Answers chat completions."""

    def do_POST(self) -> None:
        """Answer as the model that is asked."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = asked["messages"][-1]["content"]
        said = judge(text) if asked["model"] == "judge" else answer(text)
        message = {"role": "assistant", "content": said}
        reply = {
            "id": "1",
            "object": "chat.completion",
            "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Chat).serve_forever()
