package io.fisherstreams.bench;

import static java.nio.charset.StandardCharsets.US_ASCII;

import com.sun.management.OperatingSystemMXBean;
import io.fisherstreams.api.ApiOptions;
import io.fisherstreams.api.ApiStage;
import io.fisherstreams.monitor.Monitor;
import io.fisherstreams.record.Stage;
import io.fisherstreams.tensor.DType;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;

/**
 * What page and metrics cost: CPU seconds of an arrival with the stage {@code api}, an open page
 * and a Prometheus that scrapes, and of one without them. Both take turns in one process, which
 * also has the broker, the other stages and the publisher.
 */
final class PageBench {
  private static final int WARM_UP_ARRIVALS = 10;
  private static final Duration SCRAPE_EVERY = Duration.ofSeconds(15);
  private static final double NANOS = Duration.ofSeconds(1).toNanos();

  private final Path directory;
  private final PrintWriter out;
  private final int models;
  private final PageThreads threads = new PageThreads();
  private long version;
  private double wall;

  PageBench(Path directory, PrintWriter out, int models) {
    this.directory = directory;
    this.out = out;
    this.models = models;
  }

  /** CPU seconds with page and metrics divided by those without, median of all pairs. */
  double run(int repetitions) throws Exception {
    try (ArrivalPool pool = new ArrivalPool(directory.resolve("pool"), DType.BF16)) {
      for (int model = 1; model <= models; model++) {
        pool.write(model);
        pool.arrive("model-" + model, 1);
      }
      for (int i = 0; i < WARM_UP_ARRIVALS / 2; i++) {
        arrive(pool);
        with(pool);
      }
      double[] ratios = new double[repetitions];
      double[] walls = new double[repetitions];
      double[] own = new double[repetitions];
      double[] pages = new double[repetitions];
      double[] plains = new double[repetitions];
      for (int i = 0; i < repetitions; i++) {
        // each is the second of a pair as often as the first
        boolean isFirst = i % 2 == 0;
        pages[i] = isFirst ? with(pool) : 0;
        walls[i] = wall;
        plains[i] = arrive(pool);
        pages[i] = isFirst ? pages[i] : with(pool);
        walls[i] = isFirst ? walls[i] : wall;
        ratios[i] = pages[i] / plains[i];
        own[i] = threads.seconds() / plains[i];
        out.printf(
            Locale.ROOT,
            "  with page and metrics %.3f CPU seconds, %.3f of them on their own threads, in %.1f s; without %.3f, ratio %.3f%n",
            pages[i],
            threads.seconds(),
            walls[i],
            plains[i],
            ratios[i]);
        out.flush();
      }
      double[] sorted = ratios.clone();
      Arrays.sort(sorted);
      out.printf(
          Locale.ROOT,
          "arrival of model %d of BF16 with page and metrics: %.3f CPU seconds, without %.3f; ratio %.3f, half of the %d pairs from %.3f to %.3f; their own threads take %.4f of an arrival (medians)%n",
          models + 1,
          Median.of(pages),
          Median.of(plains),
          Median.of(ratios),
          repetitions,
          sorted[repetitions / 4],
          sorted[repetitions - 1 - repetitions / 4],
          Median.of(own));
      out.flush();
      return Median.of(ratios);
    }
  }

  private double with(ArrivalPool pool) throws Exception {
    Path own = Files.createDirectories(directory.resolve("api"));
    threads.begin();
    try (Monitor monitor = new Monitor(pool.topics().pool(), own);
        ApiStage page =
            ApiStage.create(
                pool.kafka(),
                pool.topics(),
                ApiOptions.standard().withPort(0),
                Map.of(),
                own,
                monitor)) {
      monitor.add(Stage.API, page);
      page.start();
      page.ready().join();
      try (Visitor visitor = new Visitor(page.url())) {
        threads.arrives();
        double seconds = arrive(pool);
        threads.end();
        visitor.requireEvents();
        return seconds;
      }
    }
  }

  private double arrive(ArrivalPool pool) {
    version++;
    pool.write(models + version);
    System.gc(); // the one before must not be cleaned up in this one's time
    OperatingSystemMXBean process =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    long before = process.getProcessCpuTime();
    wall = pool.arrive("arrival", version).seconds();
    return (process.getProcessCpuTime() - before) / NANOS;
  }

  /** An open page and a Prometheus. */
  private static final class Visitor implements AutoCloseable {
    private final Socket events; // its close ends a read at once
    private final Thread reader;
    private final ScheduledExecutorService prometheus =
        Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, PageThreads.VISITOR));
    private final LongAdder bytes = new LongAdder();

    Visitor(URI page) throws IOException {
      events = new Socket(page.getHost(), page.getPort());
      events
          .getOutputStream()
          .write("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n".getBytes(US_ASCII));
      reader = new Thread(this::read, PageThreads.VISITOR);
      reader.start();
      URI metrics = page.resolve(Monitor.METRICS);
      var unused =
          prometheus.scheduleAtFixedRate(
              () -> scrape(metrics), 0, SCRAPE_EVERY.toMillis(), TimeUnit.MILLISECONDS);
    }

    private void read() {
      byte[] block = new byte[8 << 10];
      try (InputStream in = events.getInputStream()) {
        for (int count = in.read(block); count >= 0; count = in.read(block)) {
          bytes.add(count);
        }
      } catch (IOException e) {
        // closed
      }
    }

    private static void scrape(URI metrics) {
      try (InputStream answer = metrics.toURL().openStream()) {
        answer.readAllBytes();
      } catch (IOException e) {
        throw new IllegalStateException("no metrics", e);
      }
    }

    void requireEvents() {
      if (bytes.sum() == 0) {
        throw new IllegalStateException("the page had no event");
      }
    }

    @Override
    public void close() throws IOException {
      prometheus.shutdownNow();
      events.close();
    }
  }
}
