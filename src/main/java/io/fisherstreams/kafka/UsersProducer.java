package io.fisherstreams.kafka;

import io.fisherstreams.record.ChangedBy;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** A producer whose records say {@linkplain ChangedBy who} sent them. */
final class UsersProducer extends KafkaProducer<byte[], byte[]> {
  private final String user;

  UsersProducer(Map<String, Object> config, String user) {
    super(config, new ByteArraySerializer(), new ByteArraySerializer());
    this.user = user;
  }

  @Override
  public Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> record, Callback callback) {
    ChangedBy.set(record.headers(), user);
    return super.send(record, callback);
  }
}
