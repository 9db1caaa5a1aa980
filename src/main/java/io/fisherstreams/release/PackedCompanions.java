package io.fisherstreams.release;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.CompanionFile;
import io.fisherstreams.record.Limits;
import io.fisherstreams.record.ManifestRules;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;

/**
 * A base's companions as its manifest carries them, so that an export needs no folder of the base:
 * its text files and the vocabularies of tokenizers, each packed by gzip.
 *
 * @param files the packed files
 * @param leftOut what is not packed, each with the reason, for people
 */
public record PackedCompanions(List<CompanionFile> files, List<String> leftOut) {
  private static final String CONFIG = "config.json";

  /**
   * Packs a folder's companions: {@code config.json} first, then the others, the smallest first, as
   * many as fit.
   *
   * @param maxBytes of all packed files together
   */
  public static PackedCompanions pack(Companions companions, long maxBytes) {
    List<CompanionFile> files = new ArrayList<>();
    List<String> leftOut = new ArrayList<>();
    List<Path> ordered = new ArrayList<>(companions.files());
    ordered.sort(
        Comparator.comparing((Path file) -> !file.toString().equals(CONFIG))
            .thenComparing(file -> size(companions.folder().resolve(file)))
            .thenComparing(Comparator.naturalOrder()));
    long room = maxBytes;
    for (Path file : ordered) {
      String name = file.toString().replace(file.getFileSystem().getSeparator(), "/");
      Path source = companions.folder().resolve(file);
      if (!ManifestRules.isCompanionName(name)) {
        leftOut.add(name + " (its name)");
      } else if (size(source) > Limits.MAX_COMPANION_LENGTH
          || files.size() == Limits.MAX_COMPANIONS) {
        leftOut.add(name + " (too large)");
      } else {
        byte[] content = read(source);
        byte[] packed = gzip(content);
        if (!isText(content) && !isVocabulary(name)) {
          leftOut.add(name + " (no text)");
        } else if (packed.length > room) {
          leftOut.add(name + " (too large)");
        } else {
          room -= packed.length;
          files.add(new CompanionFile(name, ByteBuffer.wrap(packed)));
        }
      }
    }
    return new PackedCompanions(List.copyOf(files), List.copyOf(leftOut));
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      throw InvalidInput.unreadable(file, e);
    }
  }

  private static byte[] read(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw InvalidInput.unreadable(file, e);
    }
  }

  private static boolean isText(byte[] content) {
    for (byte value : content) {
      if (value == 0) {
        return false;
      }
    }
    try {
      StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(content));
      return true;
    } catch (CharacterCodingException e) {
      return false;
    }
  }

  /** SentencePiece's models. */
  private static boolean isVocabulary(String name) {
    String lower = name.toLowerCase(Locale.ROOT);
    return lower.endsWith(".model") || lower.endsWith(".spm");
  }

  private static byte[] gzip(byte[] content) {
    ByteArrayOutputStream packed = new ByteArrayOutputStream();
    try (GZIPOutputStream out = new GZIPOutputStream(packed)) {
      out.write(content);
    } catch (IOException e) {
      throw new IllegalStateException(e); // memory does not fail
    }
    return packed.toByteArray();
  }

  /** What is not packed, in one line; empty when all is. */
  public Optional<String> note() {
    return leftOut.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "not sent with the base: "
                + String.join(", ", leftOut)
                + "; export --base-folder copies them");
  }

  /**
   * Writes the files of a manifest into an empty folder.
   *
   * @throws InvalidInput when a file is damaged or unpacks to more than any publisher packs
   */
  public static void unpack(List<CompanionFile> packed, Path folder) {
    for (CompanionFile file : packed) {
      if (!ManifestRules.isCompanionName(file.getName())) {
        throw new InvalidInput("the base's file '" + file.getName() + "' has no acceptable name");
      }
      Path target = folder.resolve(file.getName());
      try {
        byte[] content = gunzip(file);
        Files.createDirectories(target.getParent());
        Files.write(target, content);
      } catch (IOException e) {
        throw InvalidInput.unwritable(target, e);
      }
    }
  }

  private static byte[] gunzip(CompanionFile file) {
    ByteBuffer bytes = file.getGzip().duplicate();
    byte[] packed = new byte[bytes.remaining()];
    bytes.get(packed);
    try (InputStream in = new GZIPInputStream(new ByteArrayInputStream(packed))) {
      byte[] content = in.readNBytes(Limits.MAX_COMPANION_LENGTH + 1);
      if (content.length > Limits.MAX_COMPANION_LENGTH) {
        throw new InvalidInput(
            "the base's file '%s' unpacks to more than %s bytes"
                .formatted(file.getName(), Limits.MAX_COMPANION_LENGTH));
      }
      return content;
    } catch (IOException e) {
      throw new InvalidInput("the base's file '" + file.getName() + "' is damaged", e);
    }
  }
}
