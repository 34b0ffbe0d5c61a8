"""What no judge is asked about: texts that say nothing, whatever a language model might think of them.

Zhao et al., *One token to fool LLM-as-a-judge* (arXiv 2507.08794), found that judges of every size pass answers that
consist of a blank, a punctuation mark or the opening words of a solution ("master keys"), in several languages. Such
texts are recognised here by rule, so that no model gets the chance.
"""

from __future__ import annotations

import unicodedata

# The paper's ten master keys are a blank, ".", ",", ":", "Thought process:", "Let's solve this problem step by step.",
# "Solution", and the word for solution in Chinese, Japanese and Spanish. The rest are ours, of the same kind.
_OPENERS = """
Thought process|Thought|Thoughts|Thinking|Reasoning|Analysis|Explanation|Solution|Answer|Final answer
The answer is|Let's solve this problem step by step|Let's think step by step|Let's solve this step by step
Let me think|Let's begin|Let's start|Let's go|Step by step|Step 1|Step one|First|Here is the solution
Here is my solution|Here is the answer|Okay|OK|Sure|Sure, here is the solution|Done|Task completed
Task complete|Conclusion|Output|Response|Assistant|Result|Respuesta|Solución|La solución es|Razonamiento
Proceso de pensamiento|Pensemos paso a paso|Resolvamos este problema paso a paso|Réponse|La réponse est
Raisonnement|Réfléchissons étape par étape|Résolvons ce problème étape par étape|Lösung|Antwort
Die Lösung lautet|Gedankengang|Denken wir Schritt für Schritt|Lösen wir dieses Problem Schritt für Schritt
Risposta|Soluzione|Ragionamento|Ragioniamo passo dopo passo|Resposta|Solução|Raciocínio
Vamos pensar passo a passo|Решение|Ответ|Рассуждение|Ход мыслей|Давайте решим эту задачу шаг за шагом
Давайте подумаем шаг за шагом|解|解答|答|答案|解决方案|思考过程|思路|分析|让我们一步一步地解决这个问题
让我们一步一步思考|让我们逐步解决这个问题|かいせつ|解説|回答|答え|解決策|思考過程|考え方
ステップバイステップで考えましょう|この問題を段階的に解きましょう|해설|풀이|답|정답|해결책|사고 과정
단계별로 생각해 봅시다|이 문제를 단계별로 풀어 봅시다|الحل|الإجابة|हल|उत्तर|समाधान
"""
MIN_LETTERS = 3
"""Texts with fewer letters and digits say nothing."""


def essence(text: str) -> str:
    """Return the letters and digits of a text and nothing else, case folded and in compatibility form (NFKC)."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if unicodedata.category(c)[0] in "LN")


_KEYS = sorted({essence(key) for line in _OPENERS.strip().splitlines() for key in line.split("|")})


def is_vacuous(text: str, min_letters: int = MIN_LETTERS) -> bool:
    """Return whether a text says nothing: next to no letters, or opening words alone, however often and combined."""
    left = essence(text)
    return len(left) < min_letters or _only_openers(left)


def _only_openers(left: str) -> bool:
    # Lays opener after opener from the start; a text with words of its own ends this within its first few.
    reached, furthest = {0}, 0
    for start in range(len(left)):
        if start > furthest:
            return False
        if start in reached:
            for key in _KEYS:
                if left.startswith(key, start):
                    reached.add(start + len(key))
                    furthest = max(furthest, start + len(key))
    return len(left) in reached
