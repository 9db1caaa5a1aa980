package io.fisherstreams.gradient.device;

import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.util.Platform;
import ai.djl.util.Utils;
import com.google.common.base.Throwables;
import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/**
 * PyTorch's native libraries: those that ship, or the operator's own in {@code
 * PYTORCH_LIBRARY_PATH}. DJL's bridge to them (JNI) ships for one version of PyTorch and some
 * flavors, and crashes with any other.
 */
public final class TorchLibraries {
  private static final String PATH = "PYTORCH_LIBRARY_PATH";
  private static final String VERSION = "PYTORCH_VERSION";
  private static final String FLAVOR = "PYTORCH_FLAVOR";

  /** A flavor is a platform that PyTorch was built for: {@code cu128} is CUDA 12.8. */
  private static final List<String> FLAVORS = List.of("cpu", "cu128");

  private TorchLibraries() {}

  /**
   * The engine, with the operator's libraries if there are some.
   *
   * @throws InvalidInput when they do not fit or load
   */
  public static Engine engine() {
    String path = Utils.getEnvOrSystemProperty(PATH);
    if (path == null) {
      return Engine.getEngine("PyTorch");
    }
    String flavor = check(path, Utils::getEnvOrSystemProperty).flavor();
    if (Utils.getEnvOrSystemProperty(FLAVOR) == null) {
      System.setProperty(FLAVOR, flavor);
    }
    try {
      return Engine.getEngine("PyTorch");
    } catch (EngineException e) {
      throw new InvalidInput(
          "%s %s: PyTorch does not load from there: %s"
              .formatted(PATH, path, Throwables.getRootCause(e).getMessage()),
          e);
    }
  }

  /**
   * Checks that an operator's libraries fit the bridge.
   *
   * @param path their folder
   * @param variables environment variables by name; may say what the folder does not
   */
  static TorchBuild check(String path, UnaryOperator<String> variables) {
    String version = variables.apply(VERSION);
    String flavor = variables.apply(FLAVOR);
    TorchBuild build =
        version != null && flavor != null
            ? new TorchBuild(version, flavor)
            : TorchBuild.in(Path.of(path))
                .orElseThrow(
                    () ->
                        new InvalidInput(
                            ("%s %s: no version of PyTorch is found there: expected libtorch.so, and"
                                    + " in the folder above a file version.py or build-version;"
                                    + " PyTorch %s fits")
                                .formatted(PATH, path, expected(any -> true))));
    if (!build.version().equals(bridgeVersion()) || !flavors().contains(build.flavor())) {
      throw new InvalidInput(
          "%s %s: has PyTorch %s, but %s fits".formatted(PATH, path, build, expected(any -> true)));
    }
    return build;
  }

  /** The builds of PyTorch that fit, for messages. */
  static String expected(Predicate<String> wanted) {
    return String.join(
        " or ",
        flavors().stream()
            .filter(wanted)
            .map(flavor -> new TorchBuild(bridgeVersion(), flavor).toString())
            .toList());
  }

  /** The flavors that the bridge ships for on this platform. */
  private static List<String> flavors() {
    String platform = Platform.detectPlatform("pytorch").getClassifier();
    return FLAVORS.stream()
        .filter(
            flavor ->
                TorchLibraries.class.getResource(
                        "/jnilib/%s/%s/libdjl_torch.so".formatted(platform, flavor))
                    != null)
        .toList();
  }

  /** The version of PyTorch that the bridge was built for. */
  private static String bridgeVersion() {
    Properties properties = new Properties();
    try (InputStream file =
        TorchLibraries.class.getResourceAsStream("/jnilib/pytorch.properties")) {
      properties.load(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return properties.getProperty("jni_version").replaceFirst("-.*", "");
  }
}
