"""A shop's chatbot in the standard library: the entry of its FAQ that shares most words with a question."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAQ = {
    "return refund back": "You can return items within 30 days of delivery.",
    "cost shipping delivery fee": "Shipping costs 5 dollars, and nothing above 50 dollars.",
    "long arrive when days": "Orders arrive in 2 to 4 days.",
    "pay card method paypal": "You can pay by card, PayPal or bank transfer.",
    "cancel order change": "You can cancel an order until it is shipped, under My orders.",
    "open hours support phone": "Our support is open from 9 am to 6 pm, Monday to Friday.",
    "반품 환불 돌려": "받으신 날부터 30일 안에 반품하실 수 있습니다.",
    "배송비 배송료 무료": "배송비는 3,000원이고 50,000원부터 무료입니다.",
    "언제 도착 며칠": "주문하신 뒤 2~4일 안에 도착합니다.",
    "결제 카드 계좌": "카드, 간편결제, 계좌이체로 결제하실 수 있습니다.",
    "취소 주문 변경": "발송 전까지 내 주문에서 취소하실 수 있습니다.",
    "상담 시간 전화": "상담은 평일 9시부터 18시까지 합니다.",
}
UNKNOWN = "I do not know. 잘 모르겠습니다."


def answer(question: str) -> str:
    """Return the answer of the entry with most of its words in the question."""
    text = question.lower()
    found = {entry: sum(word in text for word in entry.split()) for entry in FAQ}
    best = max(found, key=lambda entry: found[entry])
    return FAQ[best] if found[best] else UNKNOWN


class Chat(BaseHTTPRequestHandler):
    """POST /chat with {"message": "…"} is answered with {"reply": "…"}."""

    def do_POST(self) -> None:
        """Answer one question."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        reply = json.dumps({"reply": answer(body["message"])}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Chat).serve_forever()
