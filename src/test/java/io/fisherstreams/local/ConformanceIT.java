package io.fisherstreams.local;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Release;
import io.fisherstreams.release.ReleaseFeed;
import io.fisherstreams.release.ReleaseReader;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.producer.Producer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ConformanceIT {
  @Test
  void smoke(@TempDir Path dir) throws Exception {
    long t0 = System.nanoTime();
    Path c = Path.of("src/test/resources/conformance/merge/three-models-normalized");
    JsonNode yaml = new YAMLMapper().readTree(c.resolve("merge.yaml").toFile());
    Set<String> names = new HashSet<>();
    yaml.get("models").forEach(m -> names.add(m.get("name").asText()));
    try (LocalPool pool =
            LocalPool.start(dir, 4, 2, new PlanPolicy(Duration.ZERO, Duration.ZERO, names));
        Producer<byte[], byte[]> producer = pool.runner().kafka().newProducer()) {
      System.err.println("started " + (System.nanoTime() - t0) / 1e9);
      Publisher publisher = new Publisher(pool.runner().topics(), producer);
      try (Checkpoint base = Checkpoint.open(c.resolve("base.safetensors"))) {
        ModelManifest m =
            Manifests.base(
                "base",
                1,
                base.tensors().values(),
                new MergeMethod(List.of(), true, 1e-6, null),
                "");
        publisher.announce(m);
        publisher.checkpoint(m, base, b -> {});
        for (String name : names) {
          try (Checkpoint model = Checkpoint.open(c.resolve(name + ".safetensors"));
              Checkpoint fisher = Checkpoint.open(c.resolve(name + ".fisher.safetensors"))) {
            ModelManifest mm =
                Manifests.fineTuned(
                        name,
                        1,
                        model.tensors().values(),
                        MergeSet.of(base.tensors().values(), List.of()),
                        false)
                    .build();
            publisher.announce(mm);
            publisher.checkpoint(mm, model, b -> {});
            publisher.fisher(mm, fisher, "file", 1, b -> {});
          }
        }
      }
      System.err.println("published " + (System.nanoTime() - t0) / 1e9);
      try (ReleaseFeed feed = new ReleaseFeed(pool.runner().kafka(), pool.runner().topics());
          Checkpoint expected = Checkpoint.open(c.resolve("expected.safetensors"))) {
        while (feed.poll(Duration.ofMillis(50)).isEmpty()) {
          pool.runner().requireRunning();
        }
        Release release = feed.upToDate().get(1L);
        System.err.println("released " + (System.nanoTime() - t0) / 1e9 + " " + release);
        List<String> seen = new ArrayList<>();
        new ReleaseReader(pool.runner().kafka(), pool.runner().topics())
            .read(
                release,
                t -> {
                  seen.add(t.getParameter());
                  int n = t.getData().remaining() / 4;
                  var e = expected.slice(t.getParameter(), 0, n).order(ByteOrder.LITTLE_ENDIAN);
                  var d = t.getData().order(ByteOrder.LITTLE_ENDIAN);
                  for (int i = 0; i < n; i++) {
                    assertThat((double) d.getFloat(i * 4))
                        .isCloseTo(e.getDouble(i * 8), org.assertj.core.data.Offset.offset(1e-6));
                  }
                });
        assertThat(seen).hasSize(expected.tensors().size());
      }
    }
    System.err.println("closed " + (System.nanoTime() - t0) / 1e9);
  }
}
