"""Plausible wrong answers to the lessons' exercises, a module a lesson, each with words that its check must say."""


class Wrong:
    """What a module collects.

    @wrong("im2col", says="stride")      the function below is a wrong answer to the exercise im2col
    wrong("sides", says="padding")(7)    so is 7 to the exercise sides
    """

    def __init__(self):
        self.answers = []

    def __call__(self, exercise, says):
        def add(answer):
            self.answers.append((exercise, answer, says))
            return answer
        return add
