package io.fisherstreams.local;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.metadata.authorizer.StandardAuthorizer;
import org.apache.kafka.server.authorizer.Action;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.server.authorizer.AuthorizationResult;

/**
 * Kafka's own authorizer, which also keeps what it was asked for. A node makes one for its broker
 * and one for its controller by the class's name, so the class knows them, until {@link #forget}.
 */
public final class RecordingAuthorizer extends StandardAuthorizer {
  private static final List<RecordingAuthorizer> INSTANCES = new CopyOnWriteArrayList<>();

  /**
   * A question whose answer "no" fails the request. What Kafka only leaves out of a list is no such
   * question.
   */
  record Call(String principal, AclOperation operation, ResourceType type, String name) {}

  private record Asked(AuthorizableRequestContext context, Action action) {}

  private final Map<Call, Asked> asked = new ConcurrentHashMap<>();
  private final Set<Call> refused = ConcurrentHashMap.newKeySet();

  /** For the broker. */
  public RecordingAuthorizer() {
    INSTANCES.add(this);
  }

  @Override
  public List<AuthorizationResult> authorize(
      AuthorizableRequestContext context, List<Action> actions) {
    List<AuthorizationResult> results = super.authorize(context, actions);
    for (int i = 0; i < actions.size(); i++) {
      Action action = actions.get(i);
      if (action.logIfDenied()) {
        Call call =
            new Call(
                context.principal().getName(),
                action.operation(),
                action.resourcePattern().resourceType(),
                action.resourcePattern().name());
        asked.put(call, new Asked(context, action));
        if (results.get(i) == AuthorizationResult.DENIED) {
          refused.add(call);
        }
      }
    }
    return results;
  }

  /** To be called before a broker starts. */
  static void forget() {
    INSTANCES.clear();
  }

  /** Whether a right holds everywhere, or nowhere: nodes hear of a change one after another. */
  static boolean agree(AclBinding right, boolean holds) {
    return INSTANCES.stream().allMatch(a -> a.acls(right.toFilter()).iterator().hasNext() == holds);
  }

  static List<Call> calls() {
    return INSTANCES.stream().flatMap(a -> a.asked.keySet().stream()).toList();
  }

  /** What was refused since this was last called. */
  static List<Call> takeRefused() {
    List<Call> refused = INSTANCES.stream().flatMap(a -> a.refused.stream()).toList();
    INSTANCES.forEach(a -> a.refused.clear());
    return refused;
  }

  /** Whether one of a principal's calls would be refused now. */
  static boolean wouldRefuseOneOf(String principal) {
    return INSTANCES.stream().anyMatch(a -> a.refusesOneOf(principal));
  }

  private boolean refusesOneOf(String principal) {
    return asked.entrySet().stream()
        .filter(call -> call.getKey().principal().equals(principal))
        .map(Map.Entry::getValue)
        .anyMatch(
            call ->
                super.authorize(call.context, List.of(call.action)).get(0)
                    == AuthorizationResult.DENIED);
  }
}
