package io.fisherstreams;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;

/**
 * The build of FisherStreams that runs. Maven writes it into the resource that {@link #current}
 * reads.
 *
 * @param version such as {@code 1.2.3}
 * @param commit Git's short hash, with {@code -dirty} when files were changed since; empty when the
 *     build did not know it
 */
public record Build(String version, String commit) {
  private static final String RESOURCE = "build.properties";

  /** The build of this process. */
  public static Build current() {
    Properties properties = new Properties();
    try (InputStream resource = Build.class.getResourceAsStream(RESOURCE)) {
      properties.load(resource);
    } catch (IOException e) {
      throw new UncheckedIOException("resource " + RESOURCE, e);
    }
    return new Build(properties.getProperty("version"), properties.getProperty("commit"));
  }

  /** Version and commit in words, such as {@code 1.2.3 (commit 1a2b3c4d5e6f)}. */
  public String text() {
    return commit.isEmpty() ? version : version + " (commit " + commit + ")";
  }
}
