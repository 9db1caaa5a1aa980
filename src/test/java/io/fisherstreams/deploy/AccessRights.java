package io.fisherstreams.deploy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** The rights of each principal, as the table in {@code docs/security.md} gives them. */
public final class AccessRights {
  private static final Path DOCUMENT = Path.of("docs", "security.md");
  private static final String POOL = "<pool>";
  private static final Pattern ROW =
      Pattern.compile(
          "(?m)^\\| `([a-z]+)` \\| (topic|group|cluster|transactional id) ([^|]*) \\| ([A-Za-z, ]+) \\|");
  private static final Pattern NAME = Pattern.compile("`([^`]+)`");

  /**
   * A row of the table for one resource.
   *
   * @param name of the resource, or how it begins
   */
  public record Right(
      String principal,
      ResourceType type,
      String name,
      PatternType pattern,
      List<AclOperation> operations) {
    /** The rights one by one, as a broker takes them, for a user with the principal's name. */
    public List<AclBinding> bindings() {
      return bindings(principal);
    }

    /** The rights one by one, as a broker takes them. */
    List<AclBinding> bindings(String user) {
      return operations.stream()
          .map(
              operation ->
                  new AclBinding(
                      new ResourcePattern(type, name, pattern),
                      new AccessControlEntry(
                          "User:" + user, "*", operation, AclPermissionType.ALLOW)))
          .toList();
    }
  }

  private AccessRights() {}

  /** The table's rows for one pool, in the table's order. */
  public static List<Right> of(String pool) throws IOException {
    List<Right> rights = new ArrayList<>();
    for (MatchResult row : ROW.matcher(Files.readString(DOCUMENT)).results().toList()) {
      ResourceType type =
          ResourceType.fromString(row.group(2).replace(' ', '_').toUpperCase(Locale.ROOT));
      List<AclOperation> operations =
          Pattern.compile("[A-Za-z]+")
              .matcher(row.group(4))
              .results()
              .map(word -> operation(word.group()))
              .toList();
      for (MatchResult name : NAME.matcher(row.group(3)).results().toList()) {
        String text = name.group(1).replace(POOL, pool);
        boolean prefix = text.endsWith("*");
        rights.add(
            new Right(
                row.group(1),
                type,
                prefix ? text.substring(0, text.length() - 1) : text,
                prefix ? PatternType.PREFIXED : PatternType.LITERAL,
                operations));
      }
    }
    return rights;
  }

  static AclOperation operation(String word) {
    return AclOperation.fromString(
        word.replaceAll("([a-z])([A-Z])", "$1_$2").toUpperCase(Locale.ROOT));
  }
}
