#!/usr/bin/env bash
# The test programs that scripts/test also runs under ThreadSanitizer: the parts with threads. Not
# those whose build needs the whole daemon, which would take four minutes more.
echo base_test mapper_test modbus_test devicetwin_store_test devicetwin_outbox_test \
  devicetwin_upload_test devicetwin_dmilink_test \
  gige_frames_test gige_outlets_test gige_camera_test gige_driver_test
