package io.fisherstreams.publish;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolProducer;
import io.fisherstreams.record.CoefficientRules;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Role;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.apache.kafka.clients.producer.Producer;

/** Changes of a pool that need no tensor. */
public final class PoolChanges {
  private final KafkaSettings kafka;
  private final PoolTopics topics;

  /** Changes of one pool. */
  public PoolChanges(KafkaSettings kafka, PoolTopics topics) {
    this.kafka = kafka;
    this.topics = topics;
  }

  /**
   * Withdraws a model.
   *
   * @throws InvalidInput when the pool does not have it
   */
  public void withdraw(String model) {
    try (PoolModels models = PoolModels.open(kafka, topics);
        Producer<byte[], byte[]> producer = kafka.newProducer()) {
      models.require(model);
      new PoolProducer(topics, producer).withdraw(model);
    }
  }

  /**
   * Changes a model's coefficients and waits until the coordinator has accepted it.
   *
   * @param change what the model's coefficients become
   * @param notes receives why it is not known whether the coordinator accepts it, if it is not
   * @return the model's coefficients from now on
   * @throws InvalidInput when the pool does not have the model or the group, it is the base, or the
   *     coordinator rejects the change
   */
  public Coefficients weight(
      String model, UnaryOperator<Coefficients> change, Consumer<String> notes) {
    try (PoolModels models = PoolModels.open(kafka, topics);
        Receipt receipt = Receipt.open(kafka, topics, models);
        Producer<byte[], byte[]> producer = kafka.newProducer()) {
      PoolProducer pool = new PoolProducer(topics, producer);
      ModelManifest sent;
      do {
        // again, when a new version was announced between reading and sending
        ModelManifest before = fineTuned(models, model);
        Coefficients after = change.apply(MergeMethods.coefficients(before));
        models.findBase().ifPresent(base -> require(after, base));
        sent = MergeMethods.with(before, after);
        pool.announce(sent);
        models.sync();
      } while (isReplaced(models, sent));
      receipt.require(pool.sent(), sent, notes);
      return MergeMethods.coefficients(sent);
    }
  }

  private static void require(Coefficients coefficients, ModelManifest base) {
    CoefficientRules.requireCoefficients("the coefficient", coefficients);
    CoefficientRules.requireCoefficients(
        "the coefficient",
        coefficients,
        MergeMethods.formula(base.getMethod()),
        MergeMethods.groups(base.getMethod()));
  }

  private static boolean isReplaced(PoolModels models, ModelManifest sent) {
    return models
        .find(sent.getModel())
        .filter(found -> found.getVersion() > sent.getVersion())
        .isPresent();
  }

  private static ModelManifest fineTuned(PoolModels models, String model) {
    ModelManifest manifest = models.require(model);
    if (manifest.getRole() == Role.BASE) {
      throw new InvalidInput(
          model + " is the pool's base model; only a fine-tuned model has a coefficient");
    }
    return manifest;
  }
}
