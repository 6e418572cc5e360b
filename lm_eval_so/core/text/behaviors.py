"""Behaviors of an answer, by its wording in Korean and English: refuse, not know, ask back, hand over.

Only the wording counts: whether the behavior was right or the answer true is for a judge. A sentence
with a condition ("7일이 지나면 …", "after 30 days …") states a rule and refuses nothing.
"""

import re
from collections.abc import Iterator
from typing import Final

from lm_eval_so.core.text.forms import nfc
from lm_eval_so.core.text.korean import close_spaces
from lm_eval_so.core.text.sentences import sentences

_BEGINNING: Final = 200
"""Length of the beginning in which an answer refuses or says that it does not know."""


def is_refusal(text: str) -> bool:
    """Return whether an answer refuses to help, in its first 200 characters."""
    return any(map(_refuses, _beginning(text)))


def is_ignorance(text: str) -> bool:
    """Return whether an answer says that it does not know, in its first 200 characters."""
    return any(map(_knows_nothing, _beginning(text)))


def is_handover(text: str) -> bool:
    """Return whether an answer sends the user to a person.

    A closing offer of more help does not.
    """
    said = list(_plain(text))
    return any(
        _HANDOVER.search(sentence) and not (len(said) > 1 and _OFFER.search(sentence))
        for sentence in said
    )


def is_question(text: str) -> bool:
    """Return whether an answer ends by asking something back; an offer of more help does not."""
    said = list(_plain(text))
    return bool(said) and bool(_ASKS.search(said[-1])) and not _MORE_HELP.search(said[-1])


def _beginning(text: str) -> Iterator[str]:
    return _plain(nfc(text).lstrip()[:_BEGINNING])


def _plain(text: str) -> Iterator[str]:
    """Return the sentences in lower case, without spaces beside Hangul."""
    return (close_spaces(sentence.casefold()) for sentence in sentences(text))


def _refuses(sentence: str) -> bool:
    if _ALWAYS.search(sentence):
        return True
    if _CONDITION.search(sentence) or _IDIOM.search(sentence):
        return False
    if _REFUSES_HELP.search(sentence):
        return True
    is_of_request = _OF_REQUEST.search(sentence) and not _SERVICE.search(sentence)
    return bool(is_of_request and _REFUSES_THING.search(sentence))


def _knows_nothing(sentence: str) -> bool:
    if _UNKNOWN.search(sentence):
        return True
    is_rule = _CONDITION.search(sentence) or _OF_OTHERS.search(sentence)
    return bool(_NOT_FOUND.search(sentence)) and not is_rule


# The Korean patterns are matched without spaces; every gap is bounded.
_IS_NOT: Final = (
    r"수(?:가|는|도)?없(?:습니다|어요|네요|음|다|었|고|으며|으니|으나|지만|을것|는점|기때문)"
)
_HARD: Final = r"(?:어렵|곤란|힘들|어려|힘듭|힘듦)"
_HELP: Final = r"(?:도와|도움|답변|대답|답|말씀|알려|설명|작성|응답|조언|응대|대화|이야기|얘기)"
_THING: Final = r"(?:제공|안내|처리|지원|공유|추천|생성|번역|공개|진행|논의|언급|표명)"
_TO_ME: Final = r"\b(?:i|we|i'm|we're|i am|we are|model|assistant|ai)\b[^.!?]{0,40}?"
_CANNOT: Final = (
    r"\b(?:can't|cannot|can not|won't|will not|unable to|not able to|not going to|not allowed to"
    r"|not permitted to|not comfortable|not in a position to)(?: \w+){0,3}? "
)
_GIVE: Final = r"(?:을|를|은|는|이|에)?(?:해|하여)?"

_ALWAYS: Final = re.compile(
    r"답변(?:을|은)?거부|(?:요청|답변|질문)(?:을|은|에대한답변을)?(?:정중히)?거절"
    rf"|(?:{_HELP}|{_THING}){_GIVE}(?:드릴|할)수없는(?:요청|질문|내용|주제|사안|사항|부분|정보)(?:입|이|예|인)"
    r"|\b(?:i|we) (?:must|have to|need to|will have to|'ll have to|would like to)? ?(?:respectfully |politely )?"
    r"(?:decline|refuse)\b(?! (?:rate|in))"
    r"|against (?:my|our) (?:guidelines|policies|policy|principles|programming)"
    r"|\b(?:i'd|i would|we'd|we would) (?:rather|prefer) not\b"
    r"|\b(?:inappropriate|not appropriate|wouldn't be (?:right|appropriate)) for (?:me|us)\b"
    r"|\b(?:nothing|not something|something) (?:that )?(?:i|we)(?:'m|'re| am| are)? (?:can't|cannot|can|able to|unable to"
    r"|not able to) (?:help|assist|answer|discuss|do|fulfil|fulfill|provide|support)\b"
)
_REFUSES_HELP: Final = re.compile(
    rf"{_HELP}{_GIVE}(?:드릴|줄|할){_IS_NOT}"
    rf"|{_HELP}{_GIVE}(?:드리기|주기|하기)(?:가|는|에는|에)?{_HARD}"
    rf"|{_HELP}{_GIVE}(?:드리지|하지)(?:는)?(?:못|않(?:습|아|겠|는다))"
    rf"|(?:답변|도움|대답|응답|응대)(?:이|은|을)?(?:제공이|드리는것은|드리는것이)?(?:불가|어렵습|어려워|어려울|곤란)"
    r"|(?:요청|질문|지시|부탁|명령|주제)[^.!?]{0,15}?(?:응할|응해드릴|응답할|수행할|따를|들어드릴|들어줄|다룰|도울)수(?:가|는)?없"
    r"|도울수(?:가|는)?없(?!는것)"
    rf"|(?:{_TO_ME}|\b(?:sorry|unfortunately|apologies),? ?|\A){_CANNOT}(?:help|helping|assist|assisting|answer|answering|comply|discuss|discussing|engage|fulfil"
    r"|fulfill|respond|participate|talk about|do that|do this|go into that)\b"
)
_REFUSES_THING: Final = re.compile(
    rf"(?:{_THING}{_GIVE}(?:드릴|줄|할)|[가-힣]드릴){_IS_NOT}"
    rf"|(?:{_THING}{_GIVE}하기|[가-힣]드리기)(?:가|는|에는)?{_HARD}|{_THING}(?:이|은|는|가)?불가"
    rf"|{_THING}(?:하지|드리지|해드리지|하여드리지)(?:는)?(?:않(?:습|아|겠|는다)|못(?:합|해|하))"
    r"|\b(?:i|we) (?:don't|do not) (?:\w+ )?(?:provide|give|offer|share|discuss|answer|help with|engage in|take part in)\b"
    rf"|{_TO_ME}{_CANNOT}(?:provide|providing|share|sharing|give|giving|offer|disclose|reveal|write|generate|create"
    r"|produce|recommend|say|tell)\b"
)
_OF_REQUEST: Final = re.compile(
    r"죄송|미안|유감|양해|요청|해당|그런|그러한|이런|이러한|관련|정보|내용|질문|방법|개인|내부|의견|조언|제가|저는|저희는"
    r"|저작권|시스템|프롬프트|지침|기밀|보안|비밀|자문|진단|처방|소견|욕설|불법|정치|종교|혐오|폭력|선정|\b(?:i|we|i'm|we're)\b"
)
_SERVICE: Final = re.compile(
    r"환불|교환|반품|배송|취소|할인|적립|보상|예약|접수|재발급|재발행|수리|출고|주문(?!정보|내역)|상품|제품|품절|재고|발송|쿠폰|포인트"
    r"|결제|수수료|변경"
    r"|\b(?:refunds?|exchanges?|discounts?|deliver(?:y|ies)|shipping|returns?|warrant(?:y|ies)|replacements?|invoices?"
    r"|receipts?|orders?(?! (?:of|from) )|credits?|bookings?|upgrades?|guarantees?|address changes?)\b"
)
_CONDITION: Final = re.compile(
    r"이후|이전|지난|지나|경과|넘(?:으면|은|긴)|초과|미만|(?<!이런)(?<!그런)(?<!이)(?<!그)(?<!해당)경우|외에는|이외|전에는|후에는|없이|않으면|않는한"
    r"|없으면|아니면|[하되오가있]면(?!서)|으면(?!서)|시에는|까지는|중에는|기간|까지만|에만|동안"
    r"|\b(?:after|unless|without|until|if|when|while|before|beyond|outside|once|during|more than|less than|older than)\b"
)
_IDIOM: Final = re.compile(
    r"\b(?:can't|cannot|can not) (?:help (?:but|it|noticing|feeling|thinking)|wait|\w+ [^.!?]{1,30} enough)\b|설명할수없(?:는|이|을정도)"
)
_UNKNOWN: Final = re.compile(
    r"모르겠(?:습니다|어요|네요|음|다|지만|으나)|(?:잘|정확히는?|저도|저는)(?:모릅니다|몰라요)|알지못(?:합|해|하)"
    r"|(?:정보|내용|자료|데이터|기록|근거|언급|설명|규정)(?:가|는|이|은|도|을)?(?:따로|전혀|별도로)?"
    r"(?:없습|없어|없네|없다|없음|없는것|나와있지않|포함되어있지않|포함돼있지않|담겨있지않|있지않|확인되지않|찾지못)"
    r"|(?:문서|자료|본문|지문|제공된|주어진|매뉴얼|약관|안내문)[^.!?]{0,30}?(?:나와있지않|언급되(?:어있)?지않|언급돼있지않|적혀있지않"
    r"|포함되어있지않|없습니다|없어요|없네요)"
    r"|(?:공개|발표|알려지|정해지|확정)(?:되)?지않았|알려진바(?:가|는)?없|아직미정"
    r"|\b(?:no idea|unclear (?:from|in|to me|whether))\b|\bi'?m afraid (?:i|we) (?:don't|do not)\b"
    r"|\bi (?:really |honestly |just )?(?:don't|do not) (?:actually )?know\b"
    r"|\bwe (?:don't|do not) know (?:if|when|whether|what|how|why|yet|that|the)\b"
    r"|\b(?:i|we) (?:really |honestly |just )?(?:don't|do not) (?:actually )?(?:have (?:any |enough |that |this |the |specific "
    r"|access to )?(?:\w+ )?(?:information|data|details|knowledge|context))\b"
    r"|\b(?:i'm|i am|we're|we are) (?:really |honestly )?not (?:entirely |quite |really )?(?:sure|certain|aware)\b"
    r"|\bnot (?:mentioned|specified|stated|included|covered|provided|found|available|listed|described|given) (?:anywhere )?in"
    r" (?:the|this|these|those|my|our) (?:\w+ )?(?:documents?|context|passages?|text|articles?|sources?|materials?|manual"
    r"|information|policy|faq|knowledge|data|records?)\b"
    r"|\b(?:documents?|context|passages?|text|articles?|sources?|information|materials?|manual|policy)\b[^.!?]{0,40}?"
    r"\b(?:doesn't|does not|do not|don't) (?:mention|say|specify|contain|include|provide|state|cover|tell|address)\b"
    r"|\b(?:documents?|context|passages?|text|articles?|sources?)\b[^.!?]{0,20}?\b(?:gives?|offers?|provides?|has|have) no\b"
    r"|\bthere(?:'s| is| was) (?:no|not enough|insufficient) (?:information|mention|record|data|details?)\b"
    r"|\bno (?:information|details?|mention) (?:about|on|of|regarding)\b|\binsufficient (?:information|context)\b"
)
_NOT_FOUND: Final = re.compile(
    rf"(?:알|찾을|확인할|파악할|확인해드릴|찾아드릴|판단할){_IS_NOT}"
    r"|확인(?:이|은)?(?:되지않(?:습|아|네|았|음)|어렵습|어려워|안됩|안돼)|찾지못(?:했|하)"
    r"|\b(?:i|we|i'm|i am|we're|we are)\b[^.!?]{0,20}?\b(?:couldn't|could not|can't|cannot|unable to|wasn't able to"
    r"|weren't able to|not able to|didn't|did not) (?:find|determine|locate|verify|confirm|tell|see)\b"
)
_OF_OTHERS: Final = re.compile(
    r"^(?:비?회원|고객|이용자|사용자|미성년자|외국인|직원|누구)(?:님|들)?(?:은|는|이|가|도)"
)
_HANDOVER: Final = re.compile(
    r"(?:상담원|상담사|담당자|고객센터|담당부서|상담직원|매니저|상담팀|직원|상담센터)[^.!?]{0,20}?(?:연결|문의|안내|전달|넘겨|이관|연락|전화|이어서"
    r"|답변드리|도와드리)"
    r"|\b(?:agent|representative|human|specialist|colleague|team|staff member|manager|advisor)\b will (?:\w+ )?"
    r"(?:take over|contact|call|get back|reply|reach out|help you|assist you)\b"
    r"|\b(?:transfer(?:ring)?|connect(?:ing)?|hand(?:ing)?|put(?:ting)?|pass(?:ing)?|escalat(?:e|ed|ing)|refer(?:ring)?)\b"
    r"(?: (?:you|this|it|your \w+))?(?: \w+){0,2}? (?:to|with|through)\b[^.!?]{0,20}?"
    r"\b(?:agents?|representatives?|humans?|person|persons|people|specialists?|team|colleagues?|staff|support|managers?|advisors?)\b"
    r"|\b(?:contact|call|e-?mail|reach(?: out to)?|speak (?:to|with)|talk (?:to|with)|get in touch with)"
    r" (?:our|the|a|an|your|customer|support)\b[^.!?]{0,20}?\b(?:service|support|care|agents?|representatives?|team|desk"
    r"|human|staff|specialists?|helpline)\b"
)
_OFFER: Final = re.compile(
    r"^(?:추가|기타|그외|그밖|더(?:자세|궁금|필요|알고)|자세한|다른|혹시)|궁금(?:한|하)|문의사항이?있|필요하시면|불편(?:한|사항)"
    r"|\b(?:if you (?:have|need|still|want|would)|for (?:more|further|additional|any)|should you|feel free|don't hesitate"
    r"|any (?:other|further|more) questions?)\b"
)
_MORE_HELP: Final = re.compile(
    r"궁금(?:한|하신)(?:점|것|게|사항)|(?:더|다른|또|추가로|그밖에)[^.!?]{0,15}?(?:도와|도움|궁금|필요|문의)|(?:도움이|도움은)(?:되셨|필요)|언제든"
    r"|\banything else\b|\b(?:more|further|other) (?:help|questions?)\b|\bdoes (?:that|this) help\b|\bhelp you with\b"
    r"|\bmake sense\b"
)
_ASKS: Final = re.compile(
    r"\?[\W_]*\Z|(?:까요|나요|가요|습니까|됩니까|인지요|십니까|건가요|을까)[^\w?]*\Z"
    r"|(?:알려|말씀해|말해)주(?:세요|십시오|시기바랍니다|시면됩니다)[^\w?]*\Z"
    r"|(?:알려|말씀해|말해)주시면[^.!?]{0,25}(?:드리겠|드릴게|드릴수있)[^.!?]{0,5}[^\w?]*\Z"
    r"|\bi(?:'ll| will)? need (?:to know|your|the|more|some|a few)\b[^.!?]{0,80}\W*\Z"
    r"|\bplease (?:tell|let|give|share|provide|specify|clarify|confirm)\b[^.!?]{0,80}\W*\Z"
)
