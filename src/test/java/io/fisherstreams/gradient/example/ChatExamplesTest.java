package io.fisherstreams.gradient.example;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fisherstreams.InvalidInput;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Conversations, with a tokenizer whose tokens are bytes and the special tokens below. */
class ChatExamplesTest {
  private static final List<String> SPECIAL = List.of("<s>", "</s>", "<|im_start|>", "<|im_end|>");
  private static final String CHATML =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
          + "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  private static final String LLAMA_2 =
      """
      {%- if messages[0].role == 'system' %}
          {%- set system = '<<SYS>>\\n' + messages[0].content + '\\n<</SYS>>\\n\\n' %}
          {%- set messages = messages[1:] %}
      {%- endif %}
      {%- for m in messages %}
          {%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}
              {{- raise_exception('after a system message, users and assistants take turns') }}
          {%- endif %}
          {%- if m.role == 'user' %}
              {{- bos_token + '[INST] ' + (system if loop.first and system else '') + m.content.strip() + ' [/INST]' }}
          {%- else %}
              {{- ' ' + m.content.strip() + ' ' + eos_token }}
          {%- endif %}
      {%- endfor %}
      """;
  private static final String LLAMA_3 =
      """
      {{- bos_token }}
      {%- for m in messages %}
          {{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}
      {%- endfor %}
      {%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}
      """;
  private static final String MISTRAL =
      "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}"
          + "{{ '[INST] ' + m['content'] + ' [/INST]' }}{% elif m['role'] == 'assistant' %}"
          + "{{ ' ' + m['content'] + eos_token }}{% else %}"
          + "{{ raise_exception('only users and assistants') }}{% endif %}{% endfor %}";

  private static final String TWO_TURNS =
      """
      {"messages": [{"role": "user", "content": " Hi? "}, {"role": "assistant", "content": "Ho."},
       {"role": "user", "content": "é😀"}, {"role": "assistant", "content": "😀ü"}]}
      """
          .replace("\n", "");

  @TempDir Path folder;

  @BeforeEach
  void tokenizer() throws IOException {
    ObjectMapper json = new ObjectMapper();
    ObjectNode root = json.createObjectNode();
    ObjectNode model = root.put("version", "1.0").putObject("model");
    ObjectNode vocabulary = model.put("type", "BPE").putObject("vocab");
    model.putArray("merges");
    for (int i = 0; i < 256; i++) {
      vocabulary.put(Character.toString(character(i)), i);
    }
    for (int i = 0; i < SPECIAL.size(); i++) {
      ObjectNode token = root.withArray("added_tokens").addObject().put("id", 256 + i);
      token.put("content", SPECIAL.get(i)).put("special", true).put("normalized", false);
      token.put("single_word", false).put("lstrip", false).put("rstrip", false);
    }
    for (String part : List.of("pre_tokenizer", "decoder")) {
      ObjectNode bytes = root.putObject(part).put("type", "ByteLevel");
      bytes.put("add_prefix_space", false).put("trim_offsets", true).put("use_regex", true);
    }
    // A beginning that the tokenizer adds to texts; a chat template brings its own.
    ObjectNode post = root.putObject("post_processor").put("type", "TemplateProcessing");
    post.putArray("single")
        .addObject()
        .putObject("SpecialToken")
        .put("id", "<s>")
        .put("type_id", 0);
    post.withArray("single").addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
    post.putArray("pair").addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
    post.withArray("pair").addObject().putObject("Sequence").put("id", "B").put("type_id", 1);
    ObjectNode start = post.putObject("special_tokens").putObject("<s>").put("id", "<s>");
    start.putArray("ids").add(256);
    start.putArray("tokens").add("<s>");
    Files.writeString(folder.resolve("tokenizer.json"), json.writeValueAsString(root));
  }

  /** The character that stands for a byte in byte-level vocabularies. */
  private static int character(int value) {
    boolean printable =
        (value >= 33 && value <= 126) || (value >= 161 && value <= 255 && value != 173);
    if (printable) {
      return value;
    }
    return 256 + (value <= 32 ? value : value == 173 ? 67 : value - 127 + 33);
  }

  private void config(String template) throws IOException {
    ObjectNode config = new ObjectMapper().createObjectNode().put("chat_template", template);
    config.put("bos_token", "<s>").putObject("eos_token").put("content", "</s>");
    Files.writeString(folder.resolve("tokenizer_config.json"), config.toString());
  }

  private ExampleSource open(String... lines) throws IOException {
    Path file = Files.writeString(folder.resolve("chat.jsonl"), String.join("\n", lines));
    return LanguageExamples.open(file, folder.resolve("tokenizer.json"), false);
  }

  /** The text of the tokens; with a stroke on both sides of each run of targets. */
  private static String marked(Example example) {
    long[] ids = example.input("input_ids").toLongs();
    long[] labels = example.input("labels").toLongs();
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    for (int i = 0; i <= ids.length; i++) {
      boolean before = i > 0 && labels[i - 1] != -100;
      boolean after = i < ids.length && labels[i] != -100;
      if (before != after) {
        text.writeBytes("¦".getBytes(StandardCharsets.UTF_8));
      }
      if (i < ids.length) {
        assertThat(labels[i]).isIn(-100L, ids[i]);
        text.writeBytes(
            ids[i] < 256
                ? new byte[] {(byte) ids[i]}
                : SPECIAL.get((int) ids[i] - 256).getBytes(StandardCharsets.UTF_8));
      }
    }
    return text.toString(StandardCharsets.UTF_8);
  }

  private String marked(String template, String line) throws IOException {
    config(template);
    try (ExampleSource source = open(line)) {
      return marked(source.read(0, 1).get(0));
    }
  }

  @Test
  void wellKnownTemplatesGiveTheTextsThatTheModelsWereTrainedOn() throws IOException {
    assertThat(marked(CHATML, TWO_TURNS))
        .isEqualTo(
            "<|im_start|>user\n Hi? <|im_end|>\n<|im_start|>assistant\n¦Ho.<|im_end|>\n¦"
                + "<|im_start|>user\né😀<|im_end|>\n<|im_start|>assistant\n¦😀ü<|im_end|>\n¦");
    assertThat(marked(LLAMA_2, TWO_TURNS))
        .isEqualTo("<s>[INST] Hi? [/INST]¦ Ho. </s>¦<s>[INST] é😀 [/INST]¦ 😀ü </s>¦");
    assertThat(marked(LLAMA_3, TWO_TURNS))
        .isEqualTo(
            "<s><|start_header_id|>user<|end_header_id|>\n\nHi?<|eot_id|>"
                + "<|start_header_id|>assistant<|end_header_id|>\n\n¦Ho.<|eot_id|>¦"
                + "<|start_header_id|>user<|end_header_id|>\n\né😀<|eot_id|>"
                + "<|start_header_id|>assistant<|end_header_id|>\n\n¦😀ü<|eot_id|>¦");
    assertThat(marked(MISTRAL, TWO_TURNS))
        .isEqualTo("<s>[INST]  Hi?  [/INST]¦ Ho.</s>¦[INST] é😀 [/INST]¦ 😀ü</s>¦");
    assertThat(
            marked(
                LLAMA_2,
                """
                {"messages": [{"role": "system", "content": "Rhyme."},
                 {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
                """
                    .replace("\n", "")))
        .isEqualTo("<s>[INST] <<SYS>>\nRhyme.\n<</SYS>>\n\na [/INST]¦ b </s>¦");
  }

  @Test
  void theTemplateMayMarkWhatIsGenerated() throws IOException {
    String template =
        CHATML.replace(
            "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}",
            "<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
                + "{% endgeneration %}{% else %}{{ m.content }}{% endif %}</{{ m.role }}>");
    assertThat(marked(template, TWO_TURNS))
        .isEqualTo(
            "<user> Hi? </user><assistant>¦Ho.¦</assistant>"
                + "<user>é😀</user><assistant>¦😀ü¦</assistant>");
  }

  @Test
  void aTokenAtTheEndOfEveryConversationIsNoPartOfAnEarlierTurn() throws IOException {
    String template =
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}.\n{% endfor %}{{ eos_token if not"
            + " add_generation_prompt else '<assistant>' }}";
    assertThat(marked(template, TWO_TURNS))
        .isEqualTo("<user> Hi? .\n<assistant>¦Ho..\n¦<user>é😀.\n<assistant>¦😀ü.\n</s>¦");
  }

  @Test
  void toolsAndOtherKeysReachTheTemplate() throws IOException {
    assertThat(
            marked(
                "{{ tools | tojson }}{% for m in messages %}[{{ m.name or '' }}"
                    + "{% if m.content is none %}{{ m.calls | tojson }}{% else %}{{ m.content }}"
                    + "{% endif %}]{% endfor %}",
                """
                {"tools": [{"f": 1.50}], "messages": [{"role": "user", "content": "a", "name": "n"},
                 {"role": "assistant", "content": null, "calls": {"b": [true, 2]}}]}
                """
                    .replace("\n", "")))
        .isEqualTo("[{\"f\": 1.5}][na]¦[{\"b\": [true, 2]}]¦");
  }

  @Test
  void aTemplatesFileGoesFirstAndAListNeedsADefault() throws IOException {
    config("{{ raise_exception('not this one') }}");
    Files.writeString(folder.resolve("chat_template.jinja"), CHATML);
    try (ExampleSource source = open(TWO_TURNS)) {
      assertThat(marked(source.read(0, 1).get(0))).startsWith("<|im_start|>user\n Hi? ");
    }
    Files.delete(folder.resolve("chat_template.jinja"));
    ObjectMapper json = new ObjectMapper();
    ObjectNode config = json.createObjectNode();
    config.withArray("chat_template").addObject().put("name", "rag").put("template", "rag");
    config.withArray("chat_template").addObject().put("name", "default").put("template", CHATML);
    Files.writeString(folder.resolve("tokenizer_config.json"), config.toString());
    try (ExampleSource source = open(TWO_TURNS)) {
      assertThat(marked(source.read(0, 1).get(0))).startsWith("<|im_start|>user\n Hi? ");
    }
    config.withArray("chat_template").remove(1);
    Files.writeString(folder.resolve("tokenizer_config.json"), config.toString());
    rejected(TWO_TURNS, "tokenizer_config.json", "a list with a template named default");
  }

  private void rejected(String line, String... reasons) throws IOException {
    try (ExampleSource source = open("{\"text\": \"other\"}", line)) {
      assertThatThrownBy(() -> source.read(1, 1))
          .isInstanceOf(InvalidInput.class)
          .hasMessageStartingWith(folder.resolve("chat.jsonl") + ": example 1: ")
          .hasMessageContainingAll(reasons);
      // Lines without messages do without a template.
      assertThat(source.read(0, 1).get(0).input("input_ids").elements()).isEqualTo(6);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '¦',
      value = {
        "{% for m in messages %}{{ m.content | shuffle }}{% endfor %}"
            + "¦cannot be applied: line 1: filter 'shuffle' is not known here",
        "{% for m in messages %}{{ m.content + 1 }}{% endfor %}"
            + "¦cannot be applied: line 1: '+' of a text and a number is not possible",
        "{% for m in messages %}{% for a in range(99999999) %}{% endfor %}{% endfor %}"
            + "¦takes too many steps",
        "{% for m in messages %}{{ 'aaaa' * 99999999 }}{% endfor %}¦makes too much text",
        "{{ messages.__class__ }}¦has no attribute __class__ here",
        "{{ raise_exception('no\u001b[2J users') }}¦rejects the messages: no?[2J users",
        "{{ messages[-1].content }}¦renders the messages up to 1 otherwise alone",
        "{% for m in messages %}{{ m.content if loop.last }}{% endfor %}¦give prompt and completion",
      })
  void whatCannotBeAppliedIsRejectedWithFileLineAndReason(String template, String reason)
      throws IOException {
    config(template);
    rejected(TWO_TURNS, folder.resolve("tokenizer_config.json") + "", reason);
  }

  @Test
  void wrongMessagesAreRejected() throws IOException {
    rejected(TWO_TURNS, "neither chat_template.jinja nor chat_template in tokenizer_config.json");
    config(CHATML);
    rejected("{\"messages\": []}", "expected a list of messages");
    rejected("{\"messages\": \"a\"}", "expected a list of messages");
    rejected("{\"messages\": [{\"content\": \"a\"}]}", "message 0 has no role");
    rejected("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}", "no token is the");
    rejected("{\"messages\": [{\"role\": \"user\"}], \"text\": \"a\"}", "expected messages, or");
    rejected(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"\\udc00\"}]}", "half of a surrogate");
    rejected(
        "{\"messages\": [{\"role\": \"user\", \"content\": 99999999999999999999}]}", "too large");
    config("{% generation %}{% endgeneration %}x");
    rejected(TWO_TURNS, "messages: no token is the assistant's");
    config(MISTRAL);
    rejected(
        "{\"messages\": [{\"role\": \"system\", \"content\": \"a\"}]}",
        "rejects the messages: only users and assistants");
    Files.writeString(folder.resolve("tokenizer_config.json"), "{");
    rejected(TWO_TURNS, "tokenizer_config.json: not JSON");
    Path file = folder.resolve("chat.jsonl");
    try (ExampleSource source =
        LanguageExamples.open(file, folder.resolve("tokenizer.json"), true)) {
      assertThatThrownBy(() -> source.read(1, 1))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("messages are for models without an encoder");
    }
  }
}
