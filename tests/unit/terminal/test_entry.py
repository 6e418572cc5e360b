from lm_eval_so.errors import Problem, Where
from lm_eval_so.terminal.entry import problem_text


def test_problem_text__a_password_in_the_line_is_not_shown():
    line = '  url: "http://로봇:geheimnis@bot.example.com/", verify: 3'
    where = Where(file="c.yaml", line=2, column=line.index("3") + 1, text=line)
    shown = problem_text(Problem(what="wrong", where=where)).splitlines()
    assert shown[2] == '      url: "http://[redacted]@bot.example.com/", verify: 3'
    assert shown[3].index("^") == shown[2].index("3")
