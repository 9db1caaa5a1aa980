package io.fisherstreams.cli;

import io.fisherstreams.Build;
import picocli.CommandLine.IVersionProvider;

/** What {@code --version} prints. */
final class Version implements IVersionProvider {
  @Override
  public String[] getVersion() {
    return new String[] {"fisher-streams " + Build.current().text()};
  }
}
