"""A mistyped code is refused before anybody asks the database."""

from siyu.kit.codes import ALPHABET, is_well_formed, new_code, tidy


def test_every_fresh_code_is_well_formed() -> None:
    assert all(is_well_formed(new_code()) for _ in range(500))


def test_every_single_wrong_symbol_is_caught() -> None:
    for code in (new_code() for _ in range(20)):
        wrong = [
            code[:at] + other + code[at + 1 :] for at in range(len(code)) for other in ALPHABET if other != code[at]
        ]

        assert not any(is_well_formed(mistyped) for mistyped in wrong)


def test_every_swap_of_neighbours_is_caught() -> None:
    for code in (new_code() for _ in range(500)):
        pairs = [at for at in range(len(code) - 1) if code[at] != code[at + 1]]
        swapped = [code[:at] + code[at + 1] + code[at] + code[at + 2 :] for at in pairs]

        assert not any(is_well_formed(mistyped) for mistyped in swapped)


def test_what_people_type_is_tidied() -> None:
    assert tidy(" abcd-01il ou") == "ABCD01110V"
