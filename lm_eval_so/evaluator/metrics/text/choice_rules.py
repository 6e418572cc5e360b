"""Sentences in which an answer names its choice, as patterns around a label."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from lm_eval_so.core.text.korean import endings_after

COPULA: Final = "(?:이었습니다|였습니다|입니다|이에요|예요|에요|이다|이야|이요|요|임)"
REASON: Final = (
    r"(?:because|since|as|and|or|but|which|is|for|due|the|with|not|would|must|should|seems|looks)\b"
)
"""Words behind "A" that do not make it an article."""

_OPTION: Final = r"(?:(?:option|choice)[ :]{1,2}|(?:보기|선택지|선지|옵션|문항) ?)"
_ANSWER: Final = (
    r"(?<!오)(?:정답|답)|최종 ?답변|답변(?= ?:)|(?<!wrong )\banswer"
    r"|\b(?:correct|right|best|final) (?:option|choice)|\bfinal response(?= ?:)"
)
_IS: Final = r"(?: ?(?:은|는|이|is|would be|should be|must be|has to be|(?:다음|아래)과 같(?:습니다|다)\.?|[:=→>\]-])){0,3}"
_LEADS: Final = (
    r"(?:(?:^|[.!?,:;\n] ?)(?:(?:so|therefore|thus|hence)\b[, ]{1,2})?(?:(?:i'm|i am) (?:confident|sure|certain) (?:that )?)?(?:it'?s|it (?:is|should be|must be|has to be)|(?:so|therefore|thus|hence),?)"
    r"|\b(?:choose|pick|select|chose|picked|selected|go with)"
    r"|\bmy (?:option|choice|pick)(?: is|:)"
    r"|(?:^|[.!?\n] ?)(?:선택|결론|choice|따라서|그러므로|그래서|결국)(?:은|는)? ?[:,]?"
    r"|(?:옳은|맞는|올바른|적절한|알맞은|적합한|정확한|타당한|가까운) (?:것|선택지|보기|문장|설명|문항)(?:은|는))"
)
_TOLD: Final = (
    r"(?:이|가) (?:가장 |제일 |더 )?(?:"
    r"(?:맞|옳)(?:다(?![면는])|습니다|아요|음|을 것|(?:는 것 같|아 보)(?:다|습니다|입니다|아요|여요))|가깝(?:다|습니다)"
    r"|(?:적절|적합|올바르|정확|타당|알맞)(?:하다(?![면는])|합니다|해요|함|다(?![면는])|습니다|ㅂ니다)"
    r"|(?:적절한|적합한|올바른|정확한|타당한|알맞은|맞는|옳은) (?:것|선택지|선택|보기|설명)(?:이다|입니다|으로|이에요|예요|이라고)"
    r"|올바릅니다)(?!고 ?(?:볼|할|하기|보기|하긴|보긴))"
    r"|(?:을|를) (?:(?:정답|답)으로 )?(?:선택(?:합니다|하겠|했(?:습니다|다|어요)|한다|함|하는 것이 (?:맞|옳|좋))"
    r"|고(?:릅니다|르겠|른다|르는 것이 (?:맞|옳|좋)|르면 됩니다)|골랐(?:습니다|다|어요)|택(?:합니다|하겠|했(?:습니다|다|어요)|한다))"
    r"|(?:으로|로) (?:(?:선택|정)?하겠(?:습니다|다|어요)|(?:선택|정)합니다|할게요)(?![가-힣])"
    r"|(?:(?:이라고|라고) (?:(?:생각|판단)(?:합니다|해요|한다|됩니다)|봅니다|본다)|일 것(?:입니다|이다| 같(?:습니다|아요|다)))(?![가-힣])"
    r"|,? (?:is|would be|must be|seems|looks) (?:(?:the|most|clearly|definitely|probably|likely|also) ?){0,3} ?"
    r"(?:correct|right|best|appropriate|accurate)(?! ?(?:if|unless|when|only)\b)(?![a-z])"
)
_TOLD_AFTER: Final = (
    r"(?:^|[\n.,:;!?\"'(\[-] ?|\b(?:so|that|think|believe|therefore|thus|hence|answer|and|but|say|then|guess)"
    rf" |(?:따라서|그러므로|그래서|결국|즉|아마|아마도|전|저는|나는|제가|내가|아니라|(?:고|며|므로|니|[지다]만),?) |{_OPTION})"
)
_UNSAID: Final = r"(?: ?번)?(?:이라고|라고) ?[가-힣]{1,4} ?(?:수(?:는|가)? ?없|어렵|어려|힘들|않)"
"""Denial behind what seems to be said: B라고 할 수 없습니다."""
_AGAIN: Final = (
    r"[)\]\"']?(?: ?번)?(?:입니다|이다|예요|이에요|에요|요)?[.!?,…\n -]{1,6}"
    r"(?:(?:아니|아뇨|정정하면|정정하자면)(?:요|다|야)?[,.… ]{1,4}|(?:no|wait|actually|sorry|correction|hmm)\b[,.:…! ]{1,4})"
    r"(?:(?:wait|actually|sorry|다시 보니|다시 생각해 보니)\b[,.…! ]{1,4})?(?:(?:it'?s|it is|the answer is|정답은|답은) ?)?"
)
DENIED: Final = re.compile(
    r"\b(?:not|never|why|if|whether|unless|than|doubt|nor|neither)\b|n't\b|만약|[가-힣]다면"
)
"""Words before a label, in its sentence, that turn what follows around or leave it open."""


class Patterns(NamedTuple):
    r"""Patterns of a form of labels: outright, a second label, at the start, alone, \boxed, otherwise, again."""

    stated: re.Pattern[str]
    more: re.Pattern[str]
    start: re.Pattern[str]
    alone: re.Pattern[str]
    boxed: re.Pattern[str]
    said: re.Pattern[str]
    again: re.Pattern[str]


@lru_cache(maxsize=64)
def patterns(label: str) -> Patterns:
    """Return the patterns for labels of one form; compiling them takes a while."""
    endings = either(endings_after("a"))
    end = rf"(?: ?번)?(?:{endings})?(?![0-9a-z가-힣])(?![.,:][0-9])(?![-'][a-z])(?! ?아[니닌닙님])"
    no_topic = rf"(?! ?번?[은는]){end}"
    stop = rf"(?: ?번)?(?: ?(?:모두|둘 다))?{COPULA}?[)\]\"'.]*(?=\Z|[\n,])"
    close = rf"(?: ?번)?(?: ?{COPULA})?[)\]\"']?(?=\Z|[\n.!,;])(?![.,][0-9])"
    link = (
        r"[)\]\"']?(?: ?번)? ?(?:,|/|·|&|와|과|이나|나|랑|하고|및|또는|혹은|and |or |"
        rf"{COPULA}[., ]{{1,2}}(?:아니면|혹은|또는))"
    )
    mark = r"[ \n\"'(\[<「『【$\\]{0,3}"
    instead = rf"(?:not {_OPTION}?(?:{label}),? but|{_OPTION}?(?:{label})(?: ?번)?(?:이|가|은|는)? ?아니(?:라|고),?)"
    led = (
        rf"(?:{_ANSWER}){_IS}"
        rf"(?: ?{instead})?{mark}{_OPTION}?[(\"']?(?P<led>{label})(?!{_UNSAID}){end}"
    )
    told = (
        rf"(?:(?<![0-9a-z가-힣])(?P<before>{label}){link} ?)?"
        rf"(?<![0-9a-z가-힣.])(?P<told>{label})[)\]\"']?(?: ?번)?"
        rf"(?:(?:이|가) ?(?:정답|답)(?!변)(?!이? ?아[니닌닙님]|{_UNSAID})| is the (?:correct |right |best )?(?:answer|option|choice)(?! ?\?))"
    )
    start = (
        rf"[(\[]?(?P<label>{label})"
        rf"(?:[)\]]|\.(?= |\Z)|(?:(?= ?번)|(?<=번)){no_topic}|(?<=[①-⑤])(?= |\Z)"
        r"|(?:(?<![0-9]) ?- (?![0-9a-z](?![0-9a-z가-힣]))|(?<![0-9가-힣]):(?= ))"
        rf"(?![^\n]*[,;/] ?(?:{label})(?: -|:) )|,(?= (?:because|since|왜냐)))"
    )
    said = (
        rf"(?:{_LEADS}|(?:^|[.!?\n] ?)(?P<instead>{instead})){mark}{_OPTION}?(?P<led>{label}){close}"
        rf"|{_TOLD_AFTER}(?:(?P<before>{label}){link} ?)?{_OPTION}?(?P<told>{label})[)\]\"']?(?: ?번)?(?:{_TOLD})"
    )
    found = (
        rf"{led}|{told}",
        rf"{link} ?{_OPTION}?[\"'(\[]?(?P<label>{label}){stop}",
        rf"{start}|{_OPTION}(?P<option>{label})(?:(?=[:)])|{close}|(?=,))",
        rf"[\W_]*{_OPTION}?(?P<label>{label})(?: ?번)?(?: ?{COPULA})?[\W_]*",
        rf"\\boxed ?\{{ ?(?:\\[a-z]{{4,6}} ?\{{)?[( ]{{0,2}}(?P<label>{label})[)}}.: ]",
        said,
        rf"{_AGAIN}{_OPTION}?(?P<label>{label}){close}",
    )
    return Patterns(*(re.compile(pattern, re.IGNORECASE | re.MULTILINE) for pattern in found))


def either(forms: Iterable[str]) -> str:
    """Return a pattern of any of some texts, the longest first."""
    return "|".join(map(re.escape, sorted(forms, key=lambda form: (-len(form), form))))
