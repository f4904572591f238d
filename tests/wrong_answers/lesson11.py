"""Plausible wrong answers to lesson 11."""
import numpy as np

from wrong_answers import Wrong

wrong = Wrong()

COUNTED = 83718  # counted pixels of the first eight images

wrong("rate_for_sum", says="the other way round")(0.04 * COUNTED)
wrong("rate_for_sum", says="number of images")(0.04 / 8)
wrong("rate_for_sum", says="void pixels")(0.04 / (8 * 96 * 120))
wrong("rate_for_sum", says="not 1")(1 / COUNTED)
wrong("rate_for_sum", says="with which rate")(0.04)

wrong("first_sum", says="mean's")(1.9459)
wrong("first_sum", says="void ones add nothing")(8 * 96 * 120 * np.log(7))
wrong("first_sum", says="over their pixels")(8 * np.log(7))
wrong("first_sum", says="cost ln 7")(COUNTED)


@wrong("invented", says="no class")
def void_too(before, after):
    return sorted(set(after.ravel().tolist()) - set(before.ravel().tolist()))


@wrong("invented", says="is not in `before`")
def all_of_them(before, after):
    return [k for k in np.unique(after) if k != 255]


@wrong("invented", says="should be [4]")
def what_was_lost(before, after):
    return sorted(set(before.ravel().tolist()) - set(after.ravel().tolist()) - {255})


@wrong("invented", says="a list of classes")
def whether(before, after):
    return bool(set(after.ravel().tolist()) - set(before.ravel().tolist()))


wrong("invented", says="without brackets")([4])

wrong("two_pictures", says="the other way round")((0.8, 0.5))
wrong("two_pictures", says="first picture")((0.8, 0.8))
wrong("two_pictures", says="taken together")((0.5, 0.5))
wrong("two_pictures", says="two numbers")(0.65)

wrong("factor", says="the score is w times the feature")(100)
wrong("factor", says="multiply")(200)
wrong("factor", says="how often is f in it")(1)

wrong("case_b", says="none of the seven")("learning rate")
wrong("case_b", says="ln 7")("8s straight away")
wrong("case_b", says="164,150")("col2im without +=")
wrong("case_c", says="differ in 0 pixels")("smooth masks")
wrong("case_c", says="touches no label")("col2im without +=")
wrong("case_c", says="as it is")("IU per batch")
wrong("case_d", says="to the last digit")("BGR means")
wrong("case_d", says="no void would be left")("border counted")
wrong("case_e", says="no void would be left")("border counted")
wrong("case_e", says="its second loss is A's")("BGR means")
wrong("case_e", says="nothing but blobs")("8s straight away")
wrong("case_f", says="third loss at the earliest")("col2im without +=")
wrong("case_f", says="first loss is 1.946")("summed loss")
wrong("case_g", says="ahead of A")("BGR means")
wrong("case_g", says="as it is")("IU per batch")
wrong("case_h", says="void (in A's 2087)")("border counted")
wrong("case_h", says="touches no label")("BGR means")
