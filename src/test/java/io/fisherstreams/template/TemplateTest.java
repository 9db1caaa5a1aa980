package io.fisherstreams.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.template.Rendered.Span;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class TemplateTest {
  private static final Path CASES = Path.of("src/test/resources/templates/expected.json");

  /** A template, and what Jinja2 makes of it; null where it rejects it. */
  record Case(String template, Map<String, Object> variables, String expected) {
    @Override
    public String toString() {
      return template;
    }
  }

  static Stream<Case> cases() throws IOException {
    JsonNode cases = new ObjectMapper().readTree(CASES.toFile());
    assertThat(cases).hasSizeGreaterThan(80);
    return StreamSupport.stream(cases.spliterator(), false)
        .map(
            c ->
                new Case(
                    c.get("template").textValue(),
                    map(c.get("variables")),
                    c.get("expected").textValue()));
  }

  private static Map<String, Object> map(JsonNode node) {
    Map<String, Object> map = new LinkedHashMap<>();
    node.properties().forEach(entry -> map.put(entry.getKey(), value(entry.getValue())));
    return map;
  }

  private static Object value(JsonNode node) {
    if (node.isArray()) {
      List<Object> list = new ArrayList<>();
      node.forEach(item -> list.add(value(item)));
      return list;
    }
    if (node.isObject()) {
      return map(node);
    }
    if (node.isNumber()) {
      return node.isIntegralNumber() ? (Object) node.longValue() : (Object) node.doubleValue();
    }
    return node.isBoolean() ? (Object) node.booleanValue() : node.textValue();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void makesWhatJinjaMakes(Case each) {
    if (each.expected() != null) {
      assertThat(render(each.template(), each.variables()).text()).isEqualTo(each.expected());
    } else {
      assertThatThrownBy(() -> render(each.template(), each.variables()))
          .isInstanceOf(TemplateFault.class)
          .hasMessageMatching("(?s)line [0-9]+: .+");
    }
  }

  private static Rendered render(String template, Map<String, Object> variables) {
    return Template.parse(template).render(variables, 1000);
  }

  @Test
  void showsWhatIsGenerated() {
    Template template =
        Template.parse(
            "{% for m in messages %}<{% if m.a %}{% generation %}{{ m.text }}!{% endgeneration %}"
                + "{% else %}{{ m.text }}{% endif %}>{% endfor %}");
    Map<String, Object> question = Map.of("a", false, "text", "ab");
    Map<String, Object> answer = Map.of("a", true, "text", "cde");
    Rendered rendered = template.render(Map.of("messages", List.of(question, answer, answer)), 0);
    assertThat(rendered.text()).isEqualTo("<ab><cde!><cde!>");
    assertThat(rendered.generated()).containsExactly(new Span(5, 9), new Span(11, 15));
    assertThat(template.marksGenerated()).isTrue();
    assertThat(Template.parse("{{ generation }}").marksGenerated()).isFalse();
  }

  /** What another implementation could read otherwise is not guessed. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '¦',
      value = {
        "{{ strftime_now('%d') }} ¦ line 1: strftime_now is undefined",
        "{{ 2 ** 3 }} ¦ line 1: the operator ** is not implemented",
        "{{ [1] }} ¦ line 1: a list cannot be printed as text",
        "{{ 'a'.title() }} ¦ line 1: .title() of a text is not implemented",
        "{{ [1].index(1) }} ¦ line 1: .index of a list is not implemented",
        "{{ {'a': 1}.update({}) }} ¦ line 1: .update() of a map is not implemented",
        "{{ 'b' | indent }} ¦ line 1: filter 'indent' is not known here",
        "{{ [2, 1] | map('sort') }} ¦ line 1: filter 'sort' is not known here",
        "{{ 2 is prime }} ¦ line 1: test 'prime' is not known here",
        "{% filter upper %}{% endfilter %} ¦ line 1: tag filter is not known here",
        "{% extends 'x' %} ¦ line 1: tag extends: a template cannot use other templates",
        "{% set x %}{% generation %}{% endgeneration %}{% endset %}"
            + " ¦ line 1: generation within generation, set or macro",
        "{% set x = [1] | map('string') %}{{ x | list | length }}{{ x | list | length }}"
            + " ¦ line 1: what map, select, reject, items or reverse gives is read twice;"
            + " it needs '| list'",
        "{{ loop.cycle('a') }} ¦ line 1: loop is undefined",
        "{% for a in [1] %}{{ loop.depth }}{% endfor %} ¦ line 1: loop.depth is not implemented",
        "{{ 99999999999999999999 }} ¦ line 1: the number 99999999999999999999 is too large",
        "{{ '\\777' }} ¦ line 1: the escape \\7 is not implemented",
        "{{ 'a ¦ line 1: a string has no end",
        "{# a ¦ line 1: a comment has no end",
        "{{ raise_exception('no ' ~ 'system') }}"
            + " ¦ line 1: the template rejects the messages: no system",
      })
  void whatIsNotImplementedIsRejectedByName(String template, String message) {
    assertThatThrownBy(() -> render(template, Map.of()))
        .isInstanceOf(TemplateFault.class)
        .hasMessage(message);
  }

  @Test
  void faultsNameTheLine() {
    assertThatThrownBy(() -> render("a\n{% if true %}\n{{ 'a' + 1 }}{% endif %}", Map.of()))
        .hasMessage("line 3: '+' of a text and a number is not possible");
    assertThatThrownBy(() -> Template.parse("a\r\nb\n\n{{ if }}"))
        .hasMessage("line 4: expected an expression, found 'if'");
  }

  /** A template is somebody else's file: it ends, stays small, and reaches nothing. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% for a in range(1000000000) %}{% endfor %}",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}"
            + "{% endfor %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 'a' * 9000000000000000000 }}",
        "{{ 'ab' * 2000000000 }}",
        "{% set n = namespace(x='ab') %}{% for a in range(64) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x='ab') %}{% for a in range(64) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x='ab') %}"
            + "{% for a in range(64) %}{% set n.x = [n.x, n.x] | join %}{% endfor %}",
        "{% set n = namespace(x='aa') %}"
            + "{% for a in range(64) %}{% set n.x = n.x.replace('a', 'aa') %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for a in range(64) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}"
            + "{% for a in range(64) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}",
        "{% set n = namespace(x=[1], y=[1]) %}{% for a in range(64) %}{% set n.x = [n.x, n.x] %}"
            + "{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}",
        "{% set n = namespace(x=[1]) %}"
            + "{% for a in range(1000000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x | tojson }}",
        "{% for a in range(100000) %}"
            + "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }}"
            + "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"
            + " * 3 }}{% endfor %}",
        "{{ ''.__class__ }}",
        "{{ messages.__class__.__mro__ }}",
        "{{ messages['__class__'] }}",
        "{{ messages | map(attribute='__class__') | list }}",
        "{{ raise_exception.__globals__ }}",
        "{{ messages.getClass() }}",
        "{{ namespace.getClass() }}",
        "{{ messages.class.forName('java.lang.Runtime') }}",
      })
  void hostileTemplatesAreRejected(String template) {
    Map<String, Object> variables = Map.of("messages", List.of(Map.of("role", "user")));
    assertThatThrownBy(() -> render(template, variables))
        .isInstanceOf(TemplateFault.class)
        .hasMessageStartingWith("line ");
  }

  @Test
  void hostileTextsDoNotParse() {
    String[] hostile = {
      "{{ " + "(".repeat(200_000),
      "{{ " + "[".repeat(200_000) + "]".repeat(200_000) + " }}",
      "{{ " + "not ".repeat(200_000) + "1 }}",
      "{% if 1 %}".repeat(90_000),
      "a".repeat((1 << 20) + 1),
    };
    for (String template : hostile) {
      assertThatThrownBy(() -> Template.parse(template)).isInstanceOf(TemplateFault.class);
    }
    String sum = "{{ 1" + " + 1".repeat(200_000) + " }}";
    assertThatThrownBy(() -> render(sum, Map.of()))
        .isInstanceOf(TemplateFault.class)
        .hasMessageContaining("nested too deep");
  }

  @Test
  void variablesAreNotChanged() {
    Map<String, Object> message = new LinkedHashMap<>(Map.of("role", "user"));
    List<Object> messages = new ArrayList<>(Arrays.asList(message, null));
    render(
        "{% set messages = messages[::-1] %}{% set m = messages[1] %}{% set m = 1 %}",
        Map.of("messages", messages));
    assertThat(messages).containsExactly(Map.of("role", "user"), null);
  }
}
