"""Surveys: questionnaires that operators write, and every fan's way through them."""

from siyu.surveys.checking import (
    LONGEST_KEY,
    LONGEST_LABEL,
    LONGEST_QUESTION,
    LONGEST_THANKS,
    LONGEST_TITLE,
    MOST_CHOICES,
    MOST_QUESTIONS,
    Vocabulary,
    mistakes,
    of_question,
)
from siyu.surveys.content import CHOSEN, END, MARKS, Choice, Content, Jump, Kind, Question, Texts, said
from siyu.surveys.editing import (
    KEY,
    add_question,
    archive,
    change_question,
    content_of,
    create_survey,
    draft_of,
    find_survey,
    for_newcomers,
    get_survey,
    greet_with,
    list_surveys,
    move_question,
    name_survey,
    publish,
    remove_question,
)
from siyu.surveys.layout import Button, hint, page_of, rows
from siyu.surveys.recommending import Nps, nps, nps_of
from siyu.surveys.replies import Mark, Pick, Reply, Shared, Skipped, Tick, Ticked, Written
from siyu.surveys.runs import Asked, answer, begin, find_open, go_on, look, stop, tick, words_wanted

__all__ = [
    "CHOSEN", "END", "KEY", "LONGEST_KEY", "LONGEST_LABEL", "LONGEST_QUESTION", "LONGEST_THANKS", "LONGEST_TITLE",
    "MARKS", "MOST_CHOICES", "MOST_QUESTIONS", "Asked", "Button", "Choice", "Content", "Jump", "Kind", "Mark", "Nps",
    "Pick", "Question", "Reply", "Shared", "Skipped", "Texts", "Tick", "Ticked", "Vocabulary", "Written",
    "add_question", "answer", "archive", "begin", "change_question", "content_of", "create_survey", "draft_of",
    "find_open", "find_survey", "for_newcomers", "get_survey", "go_on", "greet_with", "hint", "list_surveys", "look",
    "mistakes", "move_question", "name_survey", "nps", "nps_of", "of_question", "page_of", "publish",
    "remove_question", "rows", "said", "stop", "tick", "words_wanted",
]  # fmt: skip
