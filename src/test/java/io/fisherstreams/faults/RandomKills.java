package io.fisherstreams.faults;

import java.util.List;
import java.util.Random;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Kills processes at random moments and starts them again. */
@SuppressWarnings("try") // closing it can be interrupted
final class RandomKills implements AutoCloseable {
  private static final int SHORTEST_MILLIS = 200;

  private final List<StageProcess> victims;
  private final AtomicInteger count = new AtomicInteger();
  private final ScheduledExecutorService killer = Executors.newSingleThreadScheduledExecutor();

  RandomKills(List<StageProcess> victims) {
    this.victims = victims;
  }

  /** Kills a victim and starts it again, then chooses the next moment, until there were so many. */
  @SuppressWarnings(
      "FutureReturnValueIgnored") // a kill that fails is one too few, which tests assert
  void begin(Random random, int until, int longestMillis) {
    killer.schedule(
        () -> {
          StageProcess victim = victims.get(random.nextInt(victims.size()));
          victim.kill();
          victim.start();
          if (count.incrementAndGet() < until) {
            begin(random, until, longestMillis);
          }
        },
        SHORTEST_MILLIS + random.nextInt(longestMillis),
        TimeUnit.MILLISECONDS);
  }

  /** Counts a kill of another process. */
  void add() {
    count.incrementAndGet();
  }

  int count() {
    return count.get();
  }

  @Override
  public void close() throws InterruptedException {
    killer.shutdownNow();
    killer.awaitTermination(1, TimeUnit.MINUTES);
  }
}
