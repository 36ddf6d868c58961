"""Tags: the words operators hang on fans, in groups of which some allow a fan only one."""

from siyu.tags.groups import LONGEST_GROUP, change_group, create_group, delete_group, get_group, list_groups
from siyu.tags.hanging import LONGEST_WORD, check_word, hang, tag, tags_of, untag
from siyu.tags.words import (
    LONGEST_LABEL,
    NewTag,
    Shelf,
    change_tag,
    create_tag,
    delete_tag,
    find_tag,
    get_tag,
    list_tags,
    merge_tags,
    rename_tag,
    size_of,
    words_like,
)

__all__ = [
    "LONGEST_GROUP",
    "LONGEST_LABEL",
    "LONGEST_WORD",
    "NewTag",
    "Shelf",
    "change_group",
    "change_tag",
    "check_word",
    "create_group",
    "create_tag",
    "delete_group",
    "delete_tag",
    "find_tag",
    "get_group",
    "get_tag",
    "hang",
    "list_groups",
    "list_tags",
    "merge_tags",
    "rename_tag",
    "size_of",
    "tag",
    "tags_of",
    "untag",
    "words_like",
]
