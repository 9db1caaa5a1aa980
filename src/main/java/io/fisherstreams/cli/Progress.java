package io.fisherstreams.cli;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Progress on standard error: a bar with rate and time left on a terminal, a plain line every few
 * seconds elsewhere.
 */
public final class Progress implements AutoCloseable {
  private static final Duration PLAIN_INTERVAL = Duration.ofSeconds(5);

  private final CommandSpec spec;
  private final String task;
  private final String unit;
  private final long size;
  private final AtomicLong count = new AtomicLong();
  private ProgressBar bar;
  private long total;
  private long started = System.nanoTime();
  private long reported = started;

  private Progress(CommandSpec spec, String task, String unit, long size) {
    this.spec = spec;
    this.task = task;
    this.unit = unit;
    this.size = size;
  }

  /** Progress of a task that is counted in bytes. */
  public static Progress of(CommandSpec spec, String task) {
    return new Progress(spec, task, "MiB", 1 << 20);
  }

  /** Progress of a task that is counted in examples. */
  public static Progress ofExamples(CommandSpec spec, String task) {
    return new Progress(spec, task, "examples", 1);
  }

  /** Begins, now that the amount is known. */
  @SuppressWarnings("SystemConsoleNull") // holds up to Java 21; later ones want Console.isTerminal
  public void total(long amount) {
    total = amount;
    started = System.nanoTime();
    reported = started;
    if (System.console() != null) {
      bar =
          new ProgressBarBuilder()
              .setTaskName(task)
              .setInitialMax(amount)
              .setUnit(" " + unit, size)
              .showSpeed()
              .setStyle(ProgressBarStyle.ASCII)
              .setConsumer(new ConsoleProgressBarConsumer(System.err))
              .build();
    }
  }

  /** Counts more; may be called by several threads. */
  public void add(long more) {
    long sum = count.addAndGet(more);
    if (bar != null) {
      bar.stepTo(sum);
      return;
    }
    synchronized (this) {
      long now = System.nanoTime();
      if (now - reported >= PLAIN_INTERVAL.toNanos()) {
        reported = now;
        double rate = sum / seconds();
        spec.commandLine()
            .getErr()
            .printf(
                "%s: %d of %d %s, %.1f %s/s, %.0f s left%n",
                task, sum / size, total / size, unit, rate / size, unit, (total - sum) / rate);
      }
    }
  }

  /** Tells how far a task is whose total comes along. */
  public void upTo(long done, long amount) {
    synchronized (this) {
      if (total == 0) {
        total(amount);
      }
    }
    add(Math.max(0, done - count.get()));
  }

  /** Ends with a line that says how long it took. */
  public void done() {
    if (bar == null) {
      spec.commandLine()
          .getErr()
          .printf(
              "%s: %d %s in %.1f s, %.1f %s/s%n",
              task,
              count.get() / size,
              unit,
              seconds(),
              count.get() / (double) size / seconds(),
              unit);
    }
  }

  private double seconds() {
    return Math.max(1e-3, (System.nanoTime() - started) / 1e9);
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
    }
  }
}
