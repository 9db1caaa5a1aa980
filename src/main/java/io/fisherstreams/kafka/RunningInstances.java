package io.fisherstreams.kafka;

import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.InterruptException;

/** The instances of a stage that are running, as its consumer group shows them. */
public final class RunningInstances {
  // a thread's client id ends so; the part before it is the process's
  private static final String THREAD = "-StreamThread-";

  private RunningInstances() {}

  /**
   * A running instance.
   *
   * @param host where its clients connect from
   * @param client the process's client id; of a consumer without stream threads its member id
   * @param partitions topic partitions that it works on, over all its threads
   */
  public record Instance(String host, String client, int partitions) {}

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
      instances.merge(
          host + " " + client,
          new Instance(host, client, partitions),
          (one, other) -> new Instance(host, client, one.partitions + other.partitions));
    }
    return List.copyOf(instances.values());
  }

  /**
   * In words: {@code no instance is running}, or the number of instances and their hosts.
   *
   * @param group of the stage
   */
  public static String of(Admin admin, String group) {
    try {
      return text(admin.describeConsumerGroups(Set.of(group)).all().get().get(group).members());
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

  /** Does what {@link #of(Admin, String)} does, with a client of its own. */
  public static String of(KafkaSettings kafka, String group) {
    try (Admin admin = kafka.admin()) {
      return of(admin, group);
    }
  }

  static String text(Collection<MemberDescription> members) {
    SortedMap<String, Set<String>> hosts = new TreeMap<>();
    for (MemberDescription member : members) {
      hosts
          .computeIfAbsent(member.host().replaceFirst("^/", ""), host -> new TreeSet<>())
          .add(process(member));
    }
    int instances = hosts.values().stream().mapToInt(Set::size).sum();
    if (instances == 0) {
      return "no instance is running";
    }
    return (instances == 1 ? "1 instance on " : instances + " instances on ")
        + hosts.keySet().stream().collect(Collectors.joining(", "));
  }

  /** The threads of a process are members of their own. */
  private static String process(MemberDescription member) {
    return Optional.of(member.clientId().indexOf(THREAD))
        .filter(end -> end >= 0)
        .map(end -> member.clientId().substring(0, end))
        .orElse(member.consumerId());
  }
}
