package io.fisherstreams.gradient.example;

import com.fasterxml.jackson.databind.JsonNode;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.template.Rendered;
import io.fisherstreams.template.Rendered.Span;
import io.fisherstreams.template.Template;
import io.fisherstreams.template.TemplateFault;
import io.fisherstreams.text.PrintableText;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A model's chat template, which makes one text of a conversation.
 *
 * <p>The text of an assistant's message is what the template marks with {@code generation}. Where
 * it marks nothing, it is what the message adds to the text: from the end of the conversation
 * before it, rendered with {@code add_generation_prompt}, to the end of the conversation with it.
 * Both must be beginnings of the whole text.
 */
final class ChatTemplate {
  private final Path file;
  private final Template template;
  private final Map<String, Object> tokens;

  private ChatTemplate(Path file, Template template, Map<String, Object> tokens) {
    this.file = file;
    this.template = template;
    this.tokens = tokens;
  }

  /**
   * Reads the template of a folder.
   *
   * @throws InvalidInput when there is none, or it uses something that is not implemented
   */
  static ChatTemplate in(Path folder) {
    TokenizerConfig config = new TokenizerConfig(folder);
    Map.Entry<Path, String> found = config.chatTemplate();
    try {
      return new ChatTemplate(
          found.getKey(), Template.parse(found.getValue()), config.specialTokens());
    } catch (TemplateFault e) {
      throw new InvalidInput(
          "%s: the chat template cannot be applied: %s"
              .formatted(found.getKey(), PrintableText.of(e.getMessage())),
          e);
    }
  }

  /**
   * The text of a conversation, with the parts that are the assistant's.
   *
   * @param lines the file of the conversation, for messages
   * @param line with {@code messages}, perhaps {@code tools}
   * @throws InvalidInput when the template rejects it, or does not show which parts are the
   *     assistant's
   */
  Rendered apply(JsonLines lines, long index, JsonNode line) {
    List<Object> messages = messages(lines, index, line.get("messages"));
    Map<String, Object> variables = new HashMap<>(tokens);
    variables.put("tools", JsonValues.of(lines, index, "tools", line.path("tools")));
    variables.put("documents", null);
    long characters = line.toString().length();
    try {
      Rendered whole = render(messages, false, variables, characters);
      return template.marksGenerated()
          ? whole
          : new Rendered(
              whole.text(), added(lines, index, messages, whole.text(), variables, characters));
    } catch (TemplateFault e) {
      throw lines.invalid(
          index,
          "messages: %s: the chat template cannot be applied: %s"
              .formatted(file, PrintableText.of(e.getMessage())));
    }
  }

  private static List<Object> messages(JsonLines lines, long index, JsonNode messages) {
    if (!messages.isArray() || messages.isEmpty()) {
      throw lines.invalid(index, "messages: expected a list of messages");
    }
    List<Object> values = new ArrayList<>();
    for (JsonNode message : messages) {
      if (!message.path("role").isTextual()) {
        throw lines.invalid(
            index, String.format(Locale.ROOT, "messages: message %d has no role", values.size()));
      }
      values.add(JsonValues.of(lines, index, "messages", message));
    }
    return values;
  }

  private Rendered render(
      List<Object> messages, boolean prompt, Map<String, Object> variables, long characters) {
    Map<String, Object> all = new HashMap<>(variables);
    all.put("messages", messages);
    all.put("add_generation_prompt", prompt);
    return template.render(all, characters);
  }

  private List<Span> added(
      JsonLines lines,
      long index,
      List<Object> messages,
      String whole,
      Map<String, Object> variables,
      long characters) {
    List<Span> added = new ArrayList<>();
    for (int i = 0; i < messages.size(); i++) {
      if (!"assistant".equals(((Map<?, ?>) messages.get(i)).get("role"))) {
        continue;
      }
      String before = render(messages.subList(0, i), true, variables, characters).text();
      String with = render(messages.subList(0, i + 1), false, variables, characters).text();
      if (!whole.startsWith(with)) {
        with = withoutEnd(with); // some templates end every conversation with this token
      }
      if (!with.startsWith(before) || !whole.startsWith(with)) {
        throw lines.invalid(
            index,
            String.format(
                Locale.ROOT,
                "messages: %s: the chat template renders the messages up to %d otherwise alone than"
                    + " in the whole conversation, so the assistant's tokens are unknown; a template"
                    + " that marks them with {%% generation %%} can be applied, or give prompt and"
                    + " completion",
                file,
                i));
      }
      added.add(new Span(before.length(), with.length()));
    }
    return added;
  }

  private String withoutEnd(String text) {
    return tokens.get("eos_token") instanceof String end && text.endsWith(end)
        ? text.substring(0, text.length() - end.length())
        : text;
  }
}
