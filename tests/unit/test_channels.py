"""Which channel is scored."""

import pytest

from hypnolens.errors import RecordingError
from hypnolens.scoring.channels import choose, is_eeg, parse

PSG = ["EEG F4-Ref", "EEG C4-Ref", "EEG M1-Ref", "EEG M2-Ref", "EOG E1", "EMG chin", "ECG", "SpO2"]


def chosen(labels, *wanted, preferred=(), eeg=None):
    return choose(labels, wanted, preferred=preferred, recording="N", eeg=eeg)


@pytest.mark.parametrize(
    "label",
    ["EEG Fpz-Cz", "C4-M1", "c4:a1", "C3 / A2", "Fp1", "EEG 2", "T3", "Cz", "EEG(sec)", "P7-O1", "C4M1", "AF10"],
)
def test_eeg_channels_are_known_by_their_label(label):
    assert is_eeg(label)


@pytest.mark.parametrize(
    "label",
    ["EOG horizontal", "E1-M2", "LOC", "ROC-A1", "EMG submental", "Chin1-Chin2", "ECG", "EKG", "Resp oro-nasal", "SaO2",
     "PULSE", "Snore", "Leg/L", "Temp rectal", "Event marker", "POS", "C", "F", "Light", "EDF Annotations", "", "Flow"],
)  # fmt: skip
def test_others_are_not(label):
    assert not is_eeg(label)


@pytest.mark.parametrize(
    "one, other",
    [("C4-M1", "EEG C4-A1"), ("C4-M1", "c4m1"), ("EEG C4-Ref", "C4"), ("T3-A2", "T7 - M2"), ("Fpz:Cz", "EEG FPZ-CZ"),
     ("C4–M1", "C4/A1"), ("EEG C3-LE", "c3"), ("F4_M1", "f4-a1")],
)  # fmt: skip
def test_aliases_are_one_channel(one, other):
    assert parse(one) == parse(other)


def test_the_only_eeg_channel_is_taken():
    (one,) = chosen(["EOG E1", "C3-A2", "ECG"])
    assert (one.name, one.plus, one.minus) == ("C3-A2", 1, None) and "only EEG channel" in one.how


def test_a_mastoid_is_a_reference_and_no_second_choice():
    assert chosen(["C4", "M1"])[0].name == "C4-M1"
    assert chosen(["C6", "M1"])[0].name == "C6"


def test_of_several_the_trained_on_comes_first_then_the_known_order():
    labels = ["O2-M1", "F4-M1", "C3-M2", "C4-M1", "EEG Fpz-Cz"]
    assert chosen(labels)[0].name == "C4-M1"
    assert chosen(labels, preferred=["EEG Fpz-Cz"])[0].name == "EEG Fpz-Cz"
    assert chosen(labels[:3])[0].name == "C3-M2"
    assert chosen(["EEG", "EEG(sec)", "ECG"])[0].name == "EEG"


def test_a_difference_is_computed_where_the_file_has_its_two_electrodes():
    (one,) = chosen(PSG)
    assert (one.name, PSG[one.plus], PSG[one.minus]) == ("C4-M1", "EEG C4-Ref", "EEG M1-Ref")
    (named,) = chosen(PSG, "F4-A1")
    assert (named.name, PSG[named.plus], PSG[named.minus]) == ("F4-A1", "EEG F4-Ref", "EEG M1-Ref")
    assert "computed as 'EEG F4-Ref' minus 'EEG M1-Ref'" in named.how


def test_the_first_place_of_a_file_may_be_subtracted():
    (one,) = chosen(["M1", "C4", "F4"])
    assert (one.plus, one.minus) == (1, 0) and "minus 'M1'" in one.how


def test_electrodes_against_different_references_have_no_difference():
    with pytest.raises(RecordingError, match="channel 'C4-M1' not found"):
        chosen(["C4-Fz", "M1-Cz"], "C4-M1")
    assert chosen(["C4-Cz", "M1-Cz"], "C4-M1")[0].minus == 1


def test_a_channel_itself_comes_before_a_difference():
    (one,) = chosen(["C4", "M1", "C4-M1"], "C4-M1")
    assert (one.plus, one.minus) == (2, None)


def test_an_exact_label_comes_before_an_alias():
    labels = ["c4-a1", "C4-M1"]
    assert chosen(labels, "C4-M1")[0].plus == 1 and chosen(labels, "c4-a1")[0].plus == 0


def test_any_channel_may_be_named():
    assert chosen(["EOG E1", "C4-M1"], "EOG E1")[0].plus == 0


@pytest.mark.parametrize(
    "labels, wanted, words",
    [
        (["C4-M1", "C4-M2", "ECG"], ["C4"], r"channel 'C4' may be 'C4-M1', 'C4-M2'; name one exactly"),
        (["C4-M1", "EEG C4-A1"], ["c4/m1"], r"may be 'C4-M1', 'EEG C4-A1'"),
        (["C4-M1"], ["O2-M1"], r"channel 'O2-M1' not found; the file has 'C4-M1'; name one"),
        (["C4-M1", "C3-M2"], ["C4-M1", "EEG C4-A1"], r"named twice"),
        (["EOG", "ECG"], [], r"no EEG channel found; the file has 'EOG', 'ECG'; name one with --channel"),
        (["EEG 1", "EEG 2"], [], r"several EEG channels, none of which is known alone \('EEG 1', 'EEG 2'\)"),
        ([], [], r"holds no signal; give the file with the EEG"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_there_is(labels, wanted, words):
    with pytest.raises(RecordingError, match=words):
        chosen(labels, *wanted)


def test_several_channels_are_taken_in_their_order():
    assert [one.plus for one in chosen(["C4-M1", "F4-M1", "O2-M1"], "O2-M1", "C4-M1")] == [2, 0]


def test_what_the_format_says_counts_more_than_the_label():
    assert chosen(["Ch1", "Ch2"], eeg=[False, True])[0].plus == 1
