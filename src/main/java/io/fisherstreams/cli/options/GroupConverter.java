package io.fisherstreams.cli.options;

import io.fisherstreams.fisher.ParameterGroups;
import picocli.CommandLine.ITypeConverter;

/** A group of parameters as an option gives it; its pattern may contain further {@code =}. */
final class GroupConverter implements ITypeConverter<ParameterGroups.Group> {
  @Override
  public ParameterGroups.Group convert(String text) {
    NamedValue parts = NamedValue.of("NAME=REGEX", text);
    return new ParameterGroups.Group(parts.name(), parts.value());
  }
}
