package io.fisherstreams.tuning;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.coordinator.MethodChange;
import io.fisherstreams.coordinator.PoolViewReader;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolProducer;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.publish.Receipt;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import org.apache.kafka.clients.producer.Producer;

/** Changes how a pool merges: its method and the coefficients of its models, at once. */
public final class PoolSettings {
  private PoolSettings() {}

  /**
   * Sends the change in one go, so that the coordinator makes one plan of it, and waits until it
   * has accepted it.
   *
   * @param plan for which the settings were found
   * @param groups of the settings
   * @param notes receives what the user should know
   * @return the pool's method from now on
   * @throws InvalidInput when the pool has changed since the plan, or would lose a model; nothing
   *     is sent then
   */
  public static MergeMethod apply(
      KafkaSettings kafka,
      PoolTopics topics,
      MergePlan plan,
      Settings settings,
      ParameterGroups groups,
      Consumer<String> notes) {
    try (PoolModels models = PoolModels.open(kafka, topics);
        Receipt receipt = Receipt.open(kafka, topics, models);
        Producer<byte[], byte[]> producer = kafka.newProducer()) {
      List<ModelManifest> changes = changes(models, plan, settings, groups);
      check(MethodChange.of(PoolViewReader.read(kafka, topics), changes), notes);
      PoolProducer pool = new PoolProducer(topics, producer);
      pool.announce(changes);
      models.sync();
      changes.forEach(change -> receipt.require(pool.sent(), change, notes));
      return changes.get(0).getMethod();
    }
  }

  /** The base's manifest with the method, and the models' with their coefficients. */
  private static List<ModelManifest> changes(
      PoolModels models, MergePlan plan, Settings settings, ParameterGroups groups) {
    ModelManifest base = models.requireBase();
    requireVersion(base, plan.getBaseVersion());
    MergeMethod before = base.getMethod();
    if (!before.equals(plan.getMethod())) {
      throw new InvalidInput(
          "the pool's method has changed since the search began; nothing was changed: tune again");
    }
    List<ModelManifest> changes = new ArrayList<>();
    changes.add(
        ModelManifest.newBuilder(base)
            .setMethod(MergeMethods.with(before, settings.formula(), groups))
            .build());
    for (PlannedModel planned : plan.getModels()) {
      ModelManifest manifest = models.require(planned.getModel());
      requireVersion(manifest, planned.getVersion());
      changes.add(MergeMethods.with(manifest, settings.coefficients().get(planned.getModel())));
    }
    return changes;
  }

  private static void requireVersion(ModelManifest manifest, long version) {
    if (manifest.getVersion() != version) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "the pool has version %d of %s, and the search began with version %d; nothing was changed: tune again",
              manifest.getVersion(),
              manifest.getModel(),
              version));
    }
  }

  private static void check(MethodChange change, Consumer<String> notes) {
    if (!change.lost().isEmpty()) {
      throw new InvalidInput(
          "the settings would drop models that are merged now; nothing was changed: "
              + change.lost());
    }
    change.warnings().forEach(notes);
  }
}
