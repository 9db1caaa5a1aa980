package io.fisherstreams.gradient.model;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * Reads the names of a TorchScript module's inputs, which DJL does not give. The file is a zip:
 * {@code data.pkl} begins with the class of the outermost module, and {@code code/} contains the
 * classes' source, with one {@code def forward(self: …, name: Tensor, …)} each. Nothing is run.
 */
final class TorchScriptSignature {
  // The pickle's first instruction after the protocol: GLOBAL, module, newline, name, newline.
  private static final Pattern FIRST_CLASS =
      Pattern.compile("\\A\u0080.c([\\w.]+)\n(\\w+)\n", Pattern.DOTALL);
  private static final Pattern ARGUMENT = Pattern.compile("\\s*(\\w+)\\s*:\\s*Tensor\\s*");

  private TorchScriptSignature() {}

  /**
   * Names of the inputs, in order.
   *
   * @throws InvalidInput when the file is no TorchScript module whose inputs are all tensors
   */
  static List<String> inputs(Path file) {
    try (ZipFile zip = new ZipFile(file.toFile())) {
      ZipEntry data =
          zip.stream()
              .filter(entry -> entry.getName().matches("[^/]+/data\\.pkl"))
              .findFirst()
              .orElseThrow(
                  () -> new InvalidInput(file + ": no TorchScript file: data.pkl is missing"));
      Matcher type = FIRST_CLASS.matcher(text(zip, data, StandardCharsets.ISO_8859_1));
      if (!type.find()) {
        throw new InvalidInput(file + ": no TorchScript file: data.pkl names no class");
      }
      String root = data.getName().substring(0, data.getName().indexOf('/'));
      String code = root + "/code/" + type.group(1).replace('.', '/') + ".py";
      ZipEntry source = zip.getEntry(code);
      if (source == null) {
        throw new InvalidInput("%s: no TorchScript file: %s is missing".formatted(file, code));
      }
      return arguments(file, text(zip, source, StandardCharsets.UTF_8), type.group(2));
    } catch (IOException e) {
      throw new InvalidInput(
          "%s: no TorchScript file that can be read: %s".formatted(file, e.getMessage()), e);
    }
  }

  private static String text(ZipFile zip, ZipEntry entry, Charset charset) throws IOException {
    return new String(zip.getInputStream(entry).readAllBytes(), charset);
  }

  private static List<String> arguments(Path file, String source, String className) {
    Matcher forward =
        Pattern.compile(
                "^class "
                    + className
                    + "\\(Module\\):$.*?^  def forward\\(self: [\\w.]+,?(.*?)\\) ->",
                Pattern.MULTILINE | Pattern.DOTALL)
            .matcher(source);
    if (!forward.find()) {
      throw new InvalidInput(file + ": the module has no forward method");
    }
    List<String> names = new ArrayList<>();
    for (String argument : forward.group(1).split(",", -1)) {
      Matcher named = ARGUMENT.matcher(argument);
      if (!named.matches()) {
        throw new InvalidInput(
            "%s: forward: expected tensors as inputs, found '%s'"
                .formatted(file, forward.group(1).strip()));
      }
      names.add(named.group(1));
    }
    return names;
  }
}
