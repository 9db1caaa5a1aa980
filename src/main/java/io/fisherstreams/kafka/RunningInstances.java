package io.fisherstreams.kafka;

import io.fisherstreams.Build;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.InterruptException;

/** The instances of a stage that are running, as its consumer group shows them. */
public final class RunningInstances {
  // a thread's client id ends so; the part before it is the process's
  private static final String THREAD = "-StreamThread-";

  private static final Pattern BUILD = Pattern.compile(".*-build-([^_]+)_(.*?)(-StreamThread-.*)?");

  private RunningInstances() {}

  /**
   * A client id that no other process has, and that tells the build of this one.
   *
   * @param name its consumer group, or another name
   */
  static String newClientId(String name) {
    Build build = Build.current();
    return "%s-%s-build-%s_%s".formatted(name, UUID.randomUUID(), build.version(), build.commit());
  }

  /**
   * A running instance.
   *
   * @param host where its clients connect from
   * @param client the process's client id; of a consumer without stream threads its member id
   * @param partitions topic partitions that it works on, over all its threads
   * @param build of the program, by its client id; empty where the user chose another client id
   */
  public record Instance(String host, String client, int partitions, Optional<Build> build) {}

  /**
   * The instances of a group, by host and client; none for a group that does not exist.
   *
   * @throws KafkaException when the group cannot be read; its cause says whether that is forbidden
   */
  public static List<Instance> list(Admin admin, String group) {
    try {
      return list(admin.describeConsumerGroups(Set.of(group)).all().get().get(group).members());
    } catch (ExecutionException e) {
      if (e.getCause() instanceof GroupIdNotFoundException) {
        return List.of();
      }
      throw new KafkaException("cannot read the members of " + group, e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptException(e);
    }
  }

  static List<Instance> list(Collection<MemberDescription> members) {
    SortedMap<String, Instance> instances = new TreeMap<>();
    for (MemberDescription member : members) {
      String host = member.host().replaceFirst("^/", "");
      String client = process(member);
      int partitions = member.assignment().topicPartitions().size();
      Optional<Build> build = build(member.clientId());
      instances.merge(
          host + " " + client,
          new Instance(host, client, partitions, build),
          (one, other) -> new Instance(host, client, one.partitions + other.partitions, build));
    }
    return List.copyOf(instances.values());
  }

  /**
   * In words, by group: {@code no instance is running}, or the number of instances, their hosts,
   * partitions and builds. All groups are asked for at once.
   *
   * @param groups of the stages
   */
  public static Map<String, String> of(Admin admin, Set<String> groups) {
    Map<String, String> instances = new HashMap<>();
    admin
        .describeConsumerGroups(groups)
        .describedGroups()
        .forEach((group, description) -> instances.put(group, of(group, description)));
    return instances;
  }

  private static String of(String group, KafkaFuture<ConsumerGroupDescription> description) {
    try {
      return text(description.get().members());
    } catch (ExecutionException e) {
      if (e.getCause() instanceof GroupIdNotFoundException) {
        return text(Set.of());
      }
      if (e.getCause() instanceof AuthorizationException) {
        return "this user may not see its instances";
      }
      throw new KafkaException("cannot read the members of " + group, e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptException(e);
    }
  }

  static String text(Collection<MemberDescription> members) {
    List<Instance> instances = list(members);
    if (instances.isEmpty()) {
      return "no instance is running";
    }
    int partitions = instances.stream().mapToInt(Instance::partitions).sum();
    String builds =
        instances.stream()
            .flatMap(instance -> instance.build().stream())
            .map(Build::text)
            .distinct()
            .sorted()
            .collect(Collectors.joining(" and "));
    return (instances.size() == 1 ? "1 instance on " : instances.size() + " instances on ")
        + instances.stream().map(Instance::host).distinct().collect(Collectors.joining(", "))
        + (partitions == 1 ? ": 1 topic partition" : ": " + partitions + " topic partitions")
        + (builds.isEmpty() ? "" : ", version " + builds);
  }

  private static Optional<Build> build(String client) {
    Matcher id = BUILD.matcher(client);
    return id.matches() ? Optional.of(new Build(id.group(1), id.group(2))) : Optional.empty();
  }

  /** The threads of a process are members of their own. */
  private static String process(MemberDescription member) {
    return Optional.of(member.clientId().indexOf(THREAD))
        .filter(end -> end >= 0)
        .map(end -> member.clientId().substring(0, end))
        .orElse(member.consumerId());
  }
}
