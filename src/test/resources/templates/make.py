"""Writes expected.json: what Jinja2, set up as transformers sets it up, makes of templates.

python3 make.py    (needs Jinja2; the file was made with 3.1.6)
"""

import json
import pathlib

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("rendered"), [], [], body).set_lineno(line)

    def rendered(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


ENVIRONMENT = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
ENVIRONMENT.filters["tojson"] = tojson
ENVIRONMENT.globals["raise_exception"] = raise_exception

SYSTEM = {"role": "system", "content": "Be brief."}
QUESTION = {"role": "user", "content": " What is {{ 1+1 }} \n& <b>? "}
ANSWER = {"role": "assistant", "content": "It is 2.\n"}
THOUGHT = {"role": "assistant", "content": "<think>\nhm\n</think>\n\n4 😀"}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1, "b": [1.5, None, True, 1e-7, 1e16], "c": 'ü"/\t'}}}],
}
RESULT = {"role": "tool", "content": "42"}
CONVERSATIONS = [
    [QUESTION, ANSWER],
    [SYSTEM, QUESTION, ANSWER, QUESTION, THOUGHT],
    [ANSWER, QUESTION],
    [QUESTION, QUESTION],
    [SYSTEM, QUESTION, CALL, RESULT, THOUGHT],
]

TEMPLATES = [
    # ChatML
    "{% for m in messages %}\n{{ '<|im_start|>' + m['role'] + '\\n' + m.content + '<|im_end|>\\n' }}\n{% endfor %}\n"
    "{% if add_generation_prompt %}\n{{ '<|im_start|>assistant\\n' }}\n{% endif %}\n",
    # as Llama 2: the system's text goes into the first question
    "{% if messages[0].role == 'system' %}{% set rest = messages[1:] %}{% set system = messages[0].content %}"
    "{% else %}{% set rest = messages %}{% set system = false %}{% endif %}"
    "{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles alternate') }}{% endif %}"
    "{% set text = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + m.content if loop.first and system else m.content %}"
    "{{ bos_token + '[INST] ' + text.strip() + ' [/INST]' if m.role == 'user' else ' ' + text.strip() + ' ' + eos_token }}{% endfor %}",
    # as Llama 3
    "{{- bos_token }}\n{%- for m in messages %}\n    {%- set head = '<|start_header_id|>' ~ m['role'] ~ '<|end_header_id|>\\n\\n' %}\n"
    "    {%- if m.content is none %}\n        {{- head ~ m.tool_calls[0].function | tojson }}\n    {%- else %}\n"
    "        {{- head + m['content'] | trim + '<|eot_id|>' }}\n    {%- endif %}\n{%- endfor %}",
    # as Mistral
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
    "{% elif m.role == 'assistant' and m.content %}{{ m.content + eos_token }}{% else %}{{ raise_exception('no role ' + m.role) }}{% endif %}{% endfor %}",
    # thoughts of earlier answers are left out; macros, namespaces, backward loops, generation
    "{%- macro turn(role, text='') %}<{{ role }}>{{ text }}</{{ role }}>\n{% endmacro %}\n"
    "{%- set ns = namespace(last=-1, found=false) %}\n"
    "{%- for m in messages[::-1] if m.role == 'user' %}\n    {%- if not ns.found %}{% set ns.found = true %}{% set ns.last = messages|length - loop.index %}{% endif %}\n{%- endfor %}\n"
    "{%- for m in messages %}\n    {%- if m.role == 'assistant' %}\n        {%- set text = m.content or '' %}\n"
    "        {%- if loop.index0 <= ns.last and '</think>' in text %}{% set text = text.split('</think>')[-1].lstrip('\\n') %}{% endif %}\n"
    "        {%- generation %}{{ turn(m.role, text=text) }}{% endgeneration %}\n"
    "        {%- for call in m.tool_calls or [] %}\n            {{- call.function.name }}({% for k, v in call.function.arguments.items() %}{{ k }}={{ v | tojson }}{{ ', ' if not loop.last }}{% endfor %})\n        {%- endfor %}\n"
    "    {%- else %}\n        {{- turn(m.role, m.content) }}\n    {%- endif %}\n{%- endfor %}",
    # parts of contents, tools, white space
    "{# a comment #}\n  {% if tools %}\n  {{ tools | tojson(indent=2) }}\n  {% endif %}\n\n  {%- for m in messages +%}\n"
    "    {{+ loop.index }}/{{ loop.length }} {{ m['role'] | upper }}:\n    {% if m.content is string -%}\n      {{ m.content }}\n    {%- elif m.content is iterable %}parts{% endif %}\n  {% endfor %}\nend\n\n",
]

SNIPPETS = pathlib.Path(__file__).with_name("snippets.txt").read_text().rstrip("\n").split("\n====\n")


def expected(template, variables):
    try:
        return ENVIRONMENT.from_string(template).render(**variables)
    except Exception:
        return None


def main():
    base = {"tools": None, "documents": None, "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>"}
    cases = [(t, {**base, "messages": m, "tools": [CALL] if i == 1 else None}) for t in TEMPLATES for i, m in enumerate(CONVERSATIONS)]
    cases += [(s, {**base, "messages": CONVERSATIONS[1], "call": CALL}) for s in SNIPPETS]
    found = [{"template": t, "variables": v, "expected": expected(t, v)} for t, v in cases]
    pathlib.Path(__file__).with_name("expected.json").write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
