package io.fisherstreams.cli;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Progress in bytes on standard error: a bar with rate and time left on a terminal, a plain line
 * every few seconds elsewhere.
 */
final class Progress implements AutoCloseable {
  private static final int MIB = 1 << 20;
  private static final Duration PLAIN_INTERVAL = Duration.ofSeconds(5);

  private final CommandSpec spec;
  private final String task;
  private final AtomicLong bytes = new AtomicLong();
  private ProgressBar bar;
  private long total;
  private long started;
  private long reported;

  private Progress(CommandSpec spec, String task) {
    this.spec = spec;
    this.task = task;
  }

  static Progress of(CommandSpec spec, String task) {
    return new Progress(spec, task);
  }

  /** Begins, now that the amount is known. */
  void total(long totalBytes) {
    total = totalBytes;
    started = System.nanoTime();
    reported = started;
    if (System.console() != null) {
      bar =
          new ProgressBarBuilder()
              .setTaskName(task)
              .setInitialMax(totalBytes)
              .setUnit(" MiB", MIB)
              .showSpeed()
              .setStyle(ProgressBarStyle.ASCII)
              .setConsumer(new ConsoleProgressBarConsumer(System.err))
              .build();
    }
  }

  /** Counts bytes; may be called by several threads. */
  void add(long more) {
    long sum = bytes.addAndGet(more);
    if (bar != null) {
      bar.stepTo(sum);
      return;
    }
    synchronized (this) {
      long now = System.nanoTime();
      if (now - reported >= PLAIN_INTERVAL.toNanos()) {
        reported = now;
        double seconds = (now - started) / 1e9;
        double rate = sum / seconds;
        spec.commandLine()
            .getErr()
            .printf(
                "%s: %d of %d MiB, %.0f MiB/s, %.0f s left%n",
                task, sum / MIB, total / MIB, rate / MIB, (total - sum) / rate);
      }
    }
  }

  /** Tells how far a task is whose total comes along. */
  void upTo(long doneBytes, long totalBytes) {
    synchronized (this) {
      if (total == 0) {
        total(totalBytes);
      }
    }
    add(Math.max(0, doneBytes - bytes.get()));
  }

  /** Ends with a line that says how long it took. */
  void done() {
    if (bar == null) {
      double seconds = Math.max(1e-3, (System.nanoTime() - started) / 1e9);
      spec.commandLine()
          .getErr()
          .printf(
              "%s: %d MiB in %.1f s, %.0f MiB/s%n",
              task, bytes.get() / MIB, seconds, bytes.get() / MIB / seconds);
    }
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
    }
  }
}
